"""The command `polyrepro`, also as `python -m polyrepro`."""

import os
import sys

from polyrepro.extras import missing_extra


def main() -> None:
    """Run the command line; a package that is missing is named with the extra that installs it."""
    # As for `python -m polyrepro`: a series of one's own may lie in the working directory.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
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
