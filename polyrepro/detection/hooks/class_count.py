"""Do the classes of the data set, of the model and of a checkpoint fit together?"""

from collections.abc import Iterator, Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.heads import unwrapped
from polyrepro.detection.lidar.mmdetection3d import is_anchor3d_head

# Heads whose num_classes counts something else: objects or not, or the classes of stuff.
OTHER_COUNTS = ("rpn_head", "semantic_head", "panoptic_fusion_head")


def heads_with_classes(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Name and module of each head that has a number of object classes."""
    for path, module in unwrapped(model).named_modules():
        names = path.split(".")
        is_head = any(name.endswith("_head") for name in names)
        counts = isinstance(getattr(module, "num_classes", None), int)
        if is_head and counts and not set(names) & set(OTHER_COUNTS):
            yield path, module


def number_of_classes(head: nn.Module) -> int:
    """How many classes of objects a head knows; ``Anchor3DHead`` counts background with softmax."""
    with_background = is_anchor3d_head(head) and not head.use_sigmoid_cls
    return head.num_classes - with_background


def innermost(dataset: object) -> Iterator[object]:
    """The data sets within wrappers that repeat, balance or join them."""
    parts = getattr(dataset, "datasets", None) or [getattr(dataset, "dataset", None)]
    if parts == [None]:
        yield dataset
        return
    for part in parts:
        yield from innermost(part)


def check_class_count(model: nn.Module, dataset: object, split: str) -> None:
    """Compare a data set's classes with the heads of a detector.

    Args:
        model: a detector, wrapped or not.
        dataset: has ``metainfo``; one read from a COCO file also ``cat_ids``.
        split: what to call the data set in messages.

    Raises:
        DetectionError: if ``classes`` is no list of names, lacks categories in the annotation file,
            or has another length than a head expects.
    """
    classes = dataset.metainfo.get("classes")
    if isinstance(classes, str) or not isinstance(classes, Sequence):
        raise DetectionError(
            f"the {split} data set's metainfo must have `classes`, a list of names, got "
            f"{classes!r}; for one class write dict(classes=('name',)) with the comma"
        )
    for part in innermost(dataset):
        _check_annotations(part, classes, split)
    for path, head in heads_with_classes(model):
        count = number_of_classes(head)
        if count != len(classes):
            raise DetectionError(
                f"the {split} data set has {len(classes)} classes ({_listed(classes)}), but "
                f"{path} ({type(head).__name__}) is built for {count}: set "
                f"num_classes={len(classes)} in every head of the configuration, or give the "
                "data set's `metainfo` the classes that the model has"
            )


def check_checkpoint_classes(model: nn.Module, state_dict: dict) -> None:
    """Compare the shapes of the heads' weights with a checkpoint's.

    mmengine loads what fits and leaves the rest at random values, with a warning only.

    Raises:
        DetectionError: naming the first weights that do not fit.
    """
    own = unwrapped(model).state_dict()
    for name, value in state_dict.items():
        plain = name.removeprefix("module.")
        shape = getattr(value, "shape", None)
        if plain in own and shape != own[plain].shape and "_head" in plain:
            raise DetectionError(
                f"the checkpoint does not fit the model: {plain} has shape {tuple(shape)} there "
                f"and {tuple(own[plain].shape)} here, probably for another number of classes. Use "
                "a checkpoint of the same classes; to fine-tune one on other classes, set "
                "ClassCountHook(allow_other_checkpoint=True): what does not fit then starts anew"
            )


def _check_annotations(dataset: object, classes: Sequence[str], split: str) -> None:
    # MMDetection3D has no categories in its files; its Waymo data set gives those that it knows.
    found = None if hasattr(dataset, "box_type_3d") else getattr(dataset, "cat_ids", None)
    if found is not None and len(found) != len(classes):
        raise DetectionError(
            f"the {split} data set's `metainfo` names {len(classes)} classes "
            f"({_listed(classes)}), but its annotation file "
            f"{getattr(dataset, 'ann_file', '')} has categories for {len(found)} of them: spell "
            "them as in the file, or leave out those that it does not have"
        )


def _listed(classes: Sequence[str], most: int = 10) -> str:
    names = ", ".join(str(name) for name in classes[:most])
    return names + (", ..." if len(classes) > most else "")


class ClassCountHook(Hook):
    """Checks before the first step that data sets, heads and checkpoint have the same classes.

    Args:
        allow_other_checkpoint: start from a checkpoint (``load_from``) of other classes. Resuming
            from one is an error all the same.

    Raises:
        DetectionError: as :func:`check_class_count` and :func:`check_checkpoint_classes`.
    """

    def __init__(self, allow_other_checkpoint: bool = False) -> None:
        self.allow_other_checkpoint = allow_other_checkpoint

    def before_train(self, runner: Runner) -> None:
        check_class_count(runner.model, runner.train_dataloader.dataset, "training")

    def before_val(self, runner: Runner) -> None:
        check_class_count(runner.model, runner.val_dataloader.dataset, "validation")

    def before_test(self, runner: Runner) -> None:
        check_class_count(runner.model, runner.test_dataloader.dataset, "test")

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if not self.allow_other_checkpoint or runner._resume:
            check_checkpoint_classes(runner.model, checkpoint.get("state_dict", checkpoint))
