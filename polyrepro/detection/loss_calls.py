"""Whether a detector calls a loss that it owns: by its code before training, by calls in training.

Some heads compute the classification loss with functions of their own and never call the
``loss_cls`` that they inherited from a base class (FreeAnchor, AutoAssign). Another loss in its
place would change nothing.
"""

import inspect
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType

from torch import Tensor, nn

from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.heads import LossPlace, unwrapped

ENTRIES = ("loss", "loss_and_target", "loss_and_predict", "loss_by_feat", "forward")
"""Methods from which detectors and heads of MMDetection 3 and 3D compute their losses."""


def require_reachable(model: nn.Module, place: LossPlace) -> None:
    """Check in the code of the head, and of what it is part of, that the loss can be called.

    Raises:
        DetectionError: naming the head that computes its loss by itself.
    """
    modules = dict(unwrapped(model).named_modules(remove_duplicate=False))
    parts = place.path.split(".")[:-1]
    owners = [type(modules[".".join(parts[:length])]) for length in range(len(parts), -1, -1)]
    if not _mention(owners, place.name):
        raise DetectionError(never_called(place))


def never_called(place: LossPlace) -> str:
    """What is wrong with a head that ignores its loss."""
    head = type(place.owner)
    return (
        f"{place.path} is never called: {head.__module__}.{head.__qualname__} computes its loss "
        "with functions of its own, so another loss in this place changes nothing. Use another "
        "head, or name the losses that are called in heads="
    )


def require_trained(places: list[LossPlace]) -> None:
    """Check that any of the losses is of a head that is trained.

    Raises:
        DetectionError: if all of the heads are frozen, as those for images in ImVoteNet are.
    """
    if not any(_is_trained(place.owner) for place in places):
        paths = ", ".join(place.path for place in places)
        raise DetectionError(
            f"{paths}: no parameter of these heads is trained, they are frozen, so another loss "
            "changes nothing. Name the losses of the heads that are trained in heads="
        )


class CallRecord:
    """Notes which losses are called, until :meth:`require_calls` has found that all are.

    Args:
        places: losses of a model that is about to be trained. Those of frozen heads (the teacher
            of a semi-supervised detector) are left out: nothing is trained with them.

    Raises:
        DetectionError: as :func:`require_trained`.
    """

    def __init__(self, places: list[LossPlace]) -> None:
        require_trained(places)
        self._waiting = {place.path: place for place in places if _is_trained(place.owner)}
        self._got_samples: dict[str, list[bool]] = {path: [] for path in self._waiting}
        self._handles = {
            path: (
                place.loss.register_forward_hook(lambda *_, path=path: self._note(path)),
                place.owner.register_forward_hook(
                    lambda _, given, __, path=path: self._got_samples[path].append(_any(given))
                ),
            )
            for path, place in self._waiting.items()
        }

    def require_calls(self, data_batch: object) -> None:
        """After a training step: every loss was called, now or before.

        A head may have had nothing to compute a loss of: no proposals, or no objects in the batch.
        Then its loss has time until the next step.

        Raises:
            DetectionError: naming the head that ignores its loss.
        """
        for path, place in self._waiting.items():
            idle = self._got_samples[path] and not any(self._got_samples[path])
            self._got_samples[path].clear()
            if not idle and has_objects(data_batch):
                self.stop()
                raise DetectionError(never_called(place))

    def stop(self) -> None:
        """Take the hooks off the losses."""
        for path in list(self._waiting):
            self._note(path)

    def _note(self, path: str) -> None:
        if self._waiting.pop(path, None) is not None:
            for handle in self._handles.pop(path):
                handle.remove()


def _any(inputs: tuple) -> bool:
    """Whether a head's inputs, tensors or lists of them, hold any sample."""
    tensors = [part for value in inputs for part in (value if _is_list(value) else [value])]
    return any(tensor.numel() > 0 for tensor in tensors if isinstance(tensor, Tensor))


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def has_objects(data_batch: object) -> bool:
    """Whether any sample of a batch has annotated objects; True for batches of unknown form."""
    counts = list(_object_counts(data_batch))
    return not counts or any(counts)


def _object_counts(data: object) -> Iterator[int]:
    # A sample of MMDetection3D has both, the flat ones often without objects.
    instances = getattr(data, "gt_instances_3d", None)
    if instances is None:
        instances = getattr(data, "gt_instances", None)
    if instances is not None:
        yield len(instances)
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from _object_counts(value)
    elif _is_list(data):
        for value in data:
            yield from _object_counts(value)


def _is_trained(head: nn.Module) -> bool:
    parameters = list(head.parameters())
    return not parameters or any(parameter.requires_grad for parameter in parameters)


def _mention(owners: list[type], name: str) -> bool:
    """Whether code that is reachable from the entries of some classes speaks of an attribute.

    Every function of a name that occurs counts as called, so True may be wrong. False is not,
    except for code that puts a name together at run time.
    """
    waiting = [f for owner in owners for entry in ENTRIES for f in _methods(owner, entry)]
    seen = set()
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        names = set(_names(function.__code__))
        if name in names:
            return True
        # Prediction may look at a loss, for how its scores are to be read, but does not call it;
        # constructors build the losses of their heads, and those of other classes are named alike.
        for other in (n for n in names if not n.lstrip("_").startswith(("predict", "init__"))):
            waiting += [f for owner in owners for f in _methods(owner, other)]
            waiting += _plain(function.__globals__.get(other))
    return False


def _methods(owner: type, name: str) -> list[FunctionType]:
    """All definitions of a method: the class's own, and those that `super()` may reach."""
    found = [vars(base)[name] for base in owner.__mro__ if name in vars(base)]
    definitions = [function for value in found for function in _plain(value)]
    for position, function in enumerate(definitions):
        if "super" not in function.__code__.co_names:
            return definitions[: position + 1]
    return definitions


def _plain(value: object) -> list[FunctionType]:
    """The functions behind a method, a property, or a decorated function."""
    if isinstance(value, property):
        return [value.fget] if isinstance(value.fget, FunctionType) else []
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if not isinstance(value, FunctionType):
        return []
    inner = inspect.unwrap(value)
    return [value] if inner is value else [value, inner]


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _names(constant)
