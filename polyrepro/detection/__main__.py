"""Run a script of MMDetection with the operators in place.

``python -m polyrepro.detection SCRIPT ARGUMENTS``. Some of its scripts, ``tools/test.py`` for one,
import the operators before they read a configuration, so ``custom_imports`` is too late for them.
"""

import runpy
import sys
from pathlib import Path

from polyrepro.detection.detection_errors import DetectionError


def main(arguments: list[str]) -> None:
    """Run the script ``arguments[0]`` as Python itself would, with the rest as its arguments.

    Raises:
        DetectionError: if there is no such script.
    """
    if not arguments or not Path(arguments[0]).is_file():
        raise DetectionError(
            "give a Python script that exists, then its own arguments: python -m "
            f"polyrepro.detection tools/test.py CONFIG CHECKPOINT; got {' '.join(arguments)!r}"
        )
    sys.argv = arguments
    sys.path[0] = str(Path(arguments[0]).resolve().parent)
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DetectionError as error:
        sys.exit(f"error: {error}")
