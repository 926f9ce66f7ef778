"""The command `polyrepro`, also as `python -m polyrepro`."""

import sys

from polyrepro.extras import missing_extra


def main() -> None:
    """Run the command line; a package that is missing is named with the extra that installs it."""
    try:
        from polyrepro.cli import main as run_command

        run_command()
    except ModuleNotFoundError as error:
        explained = missing_extra(error)
        if explained is None:
            raise
        sys.exit(f"polyrepro: error: {explained}")


if __name__ == "__main__":
    main()
