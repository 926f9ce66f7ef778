"""Whether MMDetection can be used, and what to install if not."""

import importlib
import importlib.util

from polyrepro.detection.detection_errors import MissingDetectionError
from polyrepro.extras import how_to_install

MODULES = ("mmdet", "mmcv", "mmengine")
HOW_TO_INSTALL = f"run {how_to_install('detection')}"


def require_mmdetection() -> None:
    """Check that mmdet, mmcv and mmengine are there and fit together.

    Raises:
        MissingDetectionError: naming what is missing, or why the import failed.
    """
    missing = [name for name in MODULES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDetectionError(
            "polyrepro.detection needs MMDetection, but these packages are not installed: "
            f"{', '.join(missing)}; {HOW_TO_INSTALL}. The rest of polyrepro works without them."
        )
    try:
        importlib.import_module("mmdet")
    except (ImportError, AssertionError) as error:  # mmdet asserts the versions of its companions
        raise MissingDetectionError(
            f"MMDetection is installed but cannot be imported ({error}); {HOW_TO_INSTALL}"
        ) from error
