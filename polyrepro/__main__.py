"""The command `polyrepro`, also as `python -m polyrepro`."""

import atexit
import gc
import os
import sys

from polyrepro.errors import PolyreproError
from polyrepro.extras import missing_extra


def main() -> None:
    """Run the command line.

    A missing package is named with the extra that installs it; a study that is refused when it is
    imported gives one message, as all errors of the user do.
    """
    # Python would look for garbage among all that was imported twice before it ends.
    atexit.register(gc.disable)
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
    except PolyreproError as error:
        sys.exit(f"polyrepro: error: {error}")


if __name__ == "__main__":
    main()
