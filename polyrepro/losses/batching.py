"""How our autograd functions cut a batch into blocks, and take part in ``torch.func``."""

import itertools
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor


def merge_mapped_dimension(info, in_dims, *tensors: Tensor) -> tuple[int, list[Tensor]]:
    """Move the mapped dimension of every tensor into its batch dimension.

    Returns the size of the mapped dimension and the tensors, each of whose first dimension is now
    mapped size times batch size. Tensors that are not mapped are repeated.
    """
    merged = []
    for tensor, dim in zip(tensors, in_dims, strict=False):
        if dim is None:
            tensor = tensor.expand(info.batch_size, *tensor.shape)
        else:
            tensor = tensor.movedim(dim, 0)
        merged.append(tensor.flatten(0, 1))
    return info.batch_size, merged


def unmerged(size: int, tensors: Iterable[Tensor]) -> list[Tensor]:
    """The inverse of :func:`merge_mapped_dimension`: the mapped dimension comes first again."""
    return [tensor.unflatten(0, (size, -1)) for tensor in tensors]


def one_by_one(function, info, in_dims, arguments: tuple) -> tuple[tuple[Tensor, ...], tuple]:
    """An autograd function's rule for ``torch.vmap`` where nothing can be merged."""
    results = [
        function.apply(*(
            argument if dim is None else argument.select(dim, position)
            for argument, dim in zip(arguments, in_dims, strict=True)
        ))
        for position in range(info.batch_size)
    ]  # fmt: skip
    stacked = tuple(torch.stack(outputs) for outputs in zip(*results, strict=True))
    return stacked, (0,) * len(stacked)


# Not public, so it may go.
_interpreters = getattr(torch._C._functorch, "get_interpreter_stack", lambda: None)


def check_forward_mode(logits: Tensor | None, *others: object) -> None:
    """An error for tangents that an autograd function does not have.

    Those are the tangents of targets and class weights, and those of tangents: torch takes the
    latter for 0, without a word, for every function written in Python.
    """
    if logits is None or any(other is not None for other in others):
        raise NotImplementedError(
            "forward mode differentiates the losses by their input only; use reverse mode for the "
            "derivative by target or weight"
        )
    levels = [interpreter.key().name for interpreter in _interpreters() or ()]
    if levels.count("Jvp") > 1:
        raise NotImplementedError(
            "the losses have no derivative of forward mode in forward mode (jvp of jvp, jacfwd of "
            "jacfwd); use forward over reverse mode instead: torch.func.hessian"
        )


def row_blocks(elements: int, *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Rows of all tensors at once: so many that the first one has ``elements``, but one at least.

    A tensor without dimensions goes with every block.
    On other devices than the CPU, where no cache is to be kept to, all rows are one block.
    """
    first = tensors[0]
    if first.device.type != "cpu" or first.numel() <= elements:
        return iter([tensors])
    rows = max(elements * len(first) // first.numel(), 1)
    blocks = -(-len(first) // rows)
    pieces = (
        tensor.split(rows) if tensor.dim() else itertools.repeat(tensor, blocks)
        for tensor in tensors
    )
    return zip(*pieces, strict=True)


def along_classes(class_weight: Tensor, logits: Tensor) -> Tensor:
    """One weight per class, in a shape that broadcasts with ``logits`` (N, C, d1, ...)."""
    return class_weight.view(-1, *[1] * (logits.dim() - 2))
