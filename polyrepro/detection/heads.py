"""Where a detector keeps its classification losses."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmengine.model import is_model_wrapper
from torch import nn

from polyrepro.detection.detection_errors import DetectionError

# Two-stage, one-stage, on points beside images, then detectors that classify in their mask head.
DEFAULT_HEADS = (
    *("roi_head.bbox_head", "bbox_head", "pts_bbox_head", "bbox_head_3d", "mask_head"),
    "panoptic_head",
)
# Some heads of MMDetection3D call theirs cls_loss.
LOSS_NAMES = ("loss_cls", "cls_loss", "loss_mask")


@dataclass(frozen=True)
class LossPlace:
    """A loss module: ``path`` is its dotted name in the model, ``owner`` the module it hangs on."""

    path: str
    owner: nn.Module
    name: str

    @property
    def loss(self) -> nn.Module:
        return getattr(self.owner, self.name)

    def put(self, loss: nn.Module) -> None:
        setattr(self.owner, self.name, loss)


def unwrapped(model: nn.Module) -> nn.Module:
    """The detector itself, out of a wrapper for distributed training."""
    return unwrapped(model.module) if is_model_wrapper(model) else model


def classification_losses(
    model: nn.Module, heads: str | Sequence[str] | None = None
) -> list[LossPlace]:
    """The classification losses of a detector, one per stage for cascades.

    Args:
        model: a detector of MMDetection, wrapped or not.
        heads: None for the box head of a two-stage detector or the dense head of a one-stage one.
            Otherwise one or more names of heads, as in the configuration and as dotted as needed
            (``rpn_head``, ``roi_head.mask_head``, ``mask_head``), or of losses themselves
            (``bbox_head.loss_centerness``). Of a head, the first of ``LOSS_NAMES`` that it has is
            meant.

    Raises:
        DetectionError: if a head is not there or has no such loss; it names those that are.
    """
    model = unwrapped(model)
    if heads is None:
        names = [name for name in DEFAULT_HEADS if _losses_below(model, name)][:1]
        if not names:
            raise DetectionError(
                f"{type(model).__name__} has no classification loss in "
                f"{', '.join(DEFAULT_HEADS)}; {_known_losses(model)}"
            )
    else:
        names = [heads] if isinstance(heads, str) else list(heads)
    places = {}
    for name in names:
        found = _losses_below(model, name)
        if not found:
            raise DetectionError(
                f"{type(model).__name__} has no head or loss {name!r} with a classification loss "
                f"({', '.join(LOSS_NAMES)}) in it; {_known_losses(model)}"
            )
        places.update({place.path: place for place in found})
    if not places:
        raise DetectionError(f"heads is empty, so no loss is meant; {_known_losses(model)}")
    return list(places.values())


def _losses_below(model: nn.Module, name: str) -> list[LossPlace]:
    """The losses of the head ``name``, or the loss ``name`` itself."""
    modules = dict(model.named_modules(remove_duplicate=False))
    paths = [name] if name in modules else []
    paths = paths or [path for path in modules if path.endswith(f".{name}")]
    places = []
    for path in paths:
        head = modules[path]
        if _is_loss(path):
            places.append(_place(modules, path))
        elif isinstance(head, nn.ModuleList):
            stages = [f"{path}.{index}" for index in range(len(head))]
            places += [place for stage in stages for place in _losses_of_head(modules, stage)]
        else:
            places += _losses_of_head(modules, path)
    return places


def _is_loss(path: str) -> bool:
    name = path.rpartition(".")[2]
    return name.startswith("loss_") or name.endswith("_loss")


def _losses_of_head(modules: dict[str, nn.Module], path: str) -> list[LossPlace]:
    named = [f"{path}.{name}" for name in LOSS_NAMES if f"{path}.{name}" in modules]
    return [_place(modules, named[0])] if named else []


def _place(modules: dict[str, nn.Module], path: str) -> LossPlace:
    owner, _, name = path.rpartition(".")
    return LossPlace(path, modules[owner], name)


def _known_losses(model: nn.Module) -> str:
    losses = [
        f"{path} ({type(module).__name__})"
        for path, module in model.named_modules()
        if _is_loss(path)
    ]
    if not losses:
        return (
            "the model has no losses at all: it computes its own, as SSD does, or is no detector "
            "of MMDetection 3"
        )
    return f"its losses are {', '.join(losses)}; name one of them, or its head, in heads="
