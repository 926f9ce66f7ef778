"""What all forms share: the precision, the blocks, and the way from losses to the result."""

import inspect
import itertools
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

# Several passes over a block cost one pass over memory, while a block stays in the cache.
ELEMENTS_PER_BLOCK = 2**18
BY_POSITION = inspect.signature(lambda *arguments: None)


class Function(torch.autograd.Function):
    """An autograd function that can be mapped over; in reverse mode only, by default."""

    generate_vmap_rule = True

    def __init_subclass__(cls, **arguments) -> None:
        """torch matches arguments with names at every call, which takes as long as a sum."""
        super().__init_subclass__(**arguments)
        cls.forward.__signature__ = BY_POSITION  # type: ignore[attr-defined]

    @staticmethod
    def jvp(ctx, *_):
        raise NotImplementedError(
            "the losses have no forward mode (torch.func.jvp, jacfwd, hessian); use reverse mode: "
            "torch.func.vjp, jacrev, and jacrev(jacrev(f)) for the Hessian"
        )


def computing_dtype(logits: Tensor) -> torch.dtype:
    """float32 for half precision, otherwise the logits' own."""
    return torch.promote_types(logits.dtype, torch.float32)


def reduced(losses: Tensor, sample_weight: Tensor | None, reduction: str) -> Tensor:
    """The losses themselves, their sum, or their mean.

    The losses are weighted already; ``mean`` divides by the sum of the weights, by the number of
    samples when there are none. A mean over no sample is NaN, as in torch.
    """
    if reduction == "none":
        return losses
    if reduction == "sum":
        return losses.sum()
    return losses.mean() if sample_weight is None else losses.sum() / sample_weight.sum()


def row_blocks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Rows of all tensors at once, so many that a block of the first one stays in the cache.

    All rows are one block on other devices than the CPU, and where a compiler takes care of it. A
    tensor without dimensions goes with every block.
    """
    first = tensors[0]
    whole = first.device.type != "cpu" or torch.compiler.is_compiling()
    if whole or first.numel() <= ELEMENTS_PER_BLOCK:
        return iter([tensors])
    rows = max(ELEMENTS_PER_BLOCK * len(first) // first.numel(), 1)
    blocks = -(-len(first) // rows)
    return zip(*([t] * blocks if t.dim() == 0 else t.split(rows) for t in tensors), strict=True)


def joined(blocks: Iterable[Tensor]) -> Tensor:
    """What has been computed in blocks of rows as one tensor."""
    first, *others = blocks
    return torch.cat([first, *others]) if others else first


def written(blocks: Iterator[Tensor], rows: int) -> Tensor:
    """The same, where every block is written to its place while it is in the cache.

    Only for a backward pass that is not differentiated: what is written into cannot be saved.
    """
    first = next(blocks)
    if len(first) == rows:
        return first
    result, start = first.new_empty(rows, *first.shape[1:]), 0
    for block in itertools.chain([first], blocks):
        result[start : start + len(block)] = block
        start += len(block)
    return result


def is_known(condition: Tensor) -> bool:
    """Whether a condition, a tensor without dimensions, holds and this can be read at once.

    On a GPU it would have to be waited for; in ``torch.compile``, under ``torch.vmap`` and with
    fake tensors there is nothing to read, which torch says by a RuntimeError; in a trace it holds
    for one input only.
    """
    symbolic = torch.compiler.is_compiling() or torch.jit.is_tracing()
    if symbolic or condition.device.type != "cpu":
        return False
    try:
        return bool(condition.item())
    except RuntimeError:
        return False
