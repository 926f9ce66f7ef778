"""Whether a training pipeline of MMDetection3D passes the boxes on that it has read.

Two of its own configurations, for Waymo's cars alone, pack nothing but the points. Its data set
then stops with "'InstanceData' object has no attribute 'labels_3d'", perhaps in a worker.
"""

from collections.abc import Iterator

from mmengine.config import Config

from polyrepro.detection.detection_errors import DetectionError

STEP = "Pack3DDetInputs"
ANNOTATIONS = ("gt_bboxes_3d", "gt_labels_3d")
INPUTS = ("points", "img")


def require_packed_annotations(config: Config) -> None:
    """Check that the samples for the training of a 3D detector carry boxes and labels.

    Args:
        config: of a runner. What is trained on other annotations (boxes in images, classes of
            points) passes, and so does a configuration without a training.

    Raises:
        DetectionError: naming the step of the pipeline, and the option that mends it.
    """
    for path, keys in _packing("train_dataloader", config.get("train_dataloader")):
        missing = [name for name in ANNOTATIONS if name not in keys]
        if missing and set(keys) <= {*INPUTS, *ANNOTATIONS}:
            mended = [*(name for name in keys if name not in ANNOTATIONS), *ANNOTATIONS]
            raise DetectionError(
                f"the training samples carry no {' and no '.join(missing)}, so that no detector "
                f"can be trained, with PolyLossHook or without it: {STEP} at {path} passes on "
                f"{', '.join(keys) or 'nothing'} alone. Set keys={mended} in this step of the "
                f"configuration, or run with --cfg-options '{path}.keys=[{','.join(mended)}]'"
            )


def _packing(path: str, value: object) -> Iterator[tuple[str, list[str]]]:
    """The steps that pack samples, by their place in the configuration, and what they pack."""
    if isinstance(value, dict):
        kind = value.get("type")
        if str(getattr(kind, "__name__", kind)).rpartition(".")[2] == STEP:
            yield path, list(value.get("keys", ()))
        for name, part in value.items():
            yield from _packing(f"{path}.{name}", part)
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _packing(f"{path}.{number}", part)
