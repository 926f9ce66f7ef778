"""From rows of logits to numbers per sample: which code computes them for which arguments.

torch's operations are the default everywhere, on a GPU too, until the Triton kernels have been
measured on one. ``triton`` chooses the kernels, for the softmax form on a CUDA device; what they do
not cover (the sigmoid form, float64, logits that are not ``(N, C)``, a main term other than
``-log p`` with labels) stays with torch. The environment variable ``POLYREPRO_LOSSES_BACKEND`` sets
the choice at start, :func:`set_backend` later.

On the CPU the kernels work in Triton's interpreter only (``TRITON_INTERPRET=1``, set before triton
is imported): slow, for tests.
"""

import os

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.reduction import computing_dtype
from polyrepro.losses.series import Series
from polyrepro.losses.softmax_rows import TorchRows, of_target, weighted_values

BACKENDS = ("auto", "torch", "triton")
_choice = {"backend": os.environ.get("POLYREPRO_LOSSES_BACKEND", "auto")}


def set_backend(name: str) -> None:
    """Choose ``auto`` (now the same as ``torch``), ``torch`` or ``triton`` for all losses."""
    _check_backend("backend", name)
    _choice["backend"] = name


def get_backend() -> str:
    """The current choice."""
    return _choice["backend"]


def row_statistics(
    logits: Tensor,
    target: Tensor,
    series: Series,
    class_weight: Tensor | None,
    averaged: bool = False,
    dropped: Tensor | None = None,
) -> list:
    """The three numbers per sample of :class:`TorchRows`; the third has no meaning if not needed.

    Args:
        logits: ``(N, C)`` or ``(N, C, d1, ...)``; half precision is computed in float32.
        target: indices, ``(N)`` or ``(N, d1, ...)``; or labels, the shape of ``logits``, in the
            precision of the computation.
        class_weight: w, ``(C,)``; None for 1.
        averaged: whether the third number is needed with indices.
        dropped: samples that get zeros and have no gradient, whatever their logits are; or None.

    Raises:
        IndexError: a class index out of range.
    """
    soft, own_base = target.is_floating_point(), not series.has_cross_entropy_base
    learnt = target.requires_grad or (class_weight is not None and class_weight.requires_grad)
    unbounded = soft and own_base and not series.has_bounded_base
    in_float = logits.to(computing_dtype(logits))
    if torch.compiler.is_compiling() or learnt or unbounded:
        compute = _plain_label_numbers if soft else _plain_index_numbers
        numbers = compute(in_float, target, averaged, class_weight, series)
    elif _use_triton(logits) and not (soft and own_base):
        # Imported here, because triton is needed on a GPU only.
        from polyrepro.losses.softmax_rows_cuda import TritonRows

        numbers = TritonRows.apply(logits, target, averaged, class_weight)
    else:
        numbers = TorchRows.apply(in_float, target, averaged, class_weight, series)
    if dropped is None:
        return numbers[:3]
    return [each if each is None else each.masked_fill(dropped, 0) for each in numbers[:3]]


def _check_backend(source: str, name: str) -> None:
    if name not in BACKENDS:
        raise ValueError(f"{source} must be one of {BACKENDS}, got {name!r}")


def _use_triton(logits: Tensor) -> bool:
    """Whether a kernel should compute on these rows, as far as shape and dtype are concerned."""
    _check_backend("POLYREPRO_LOSSES_BACKEND", get_backend())
    fits = logits.dim() == 2 and logits.shape[1] > 0 and logits.dtype != torch.float64
    return fits and get_backend() == "triton"


def _plain_label_numbers(logits, labels, _, class_weight, series):
    """In operations that a compiler can fuse; for any series, and all derivatives."""
    weighted = weighted_values(labels, class_weight)
    base = (weighted * series.base(-logits.log_softmax(1))).sum(1)
    return [base, ((1 - labels) * logits.softmax(1)).sum(1), weighted.sum(1)]


def _plain_index_numbers(logits, index, averaged, class_weight, _):
    """The same for class indices."""
    own = of_target(logits, index)
    # A comparison is fused with what follows; writing to the target's place is not.
    classes = torch.arange(logits.shape[1], device=logits.device)
    is_target = classes.view(-1, *[1] * (logits.dim() - 2)) == index.unsqueeze(1)
    # The target is taken out of the sum, so nothing cancels when P_t is next to 1.
    margin = own - logits.masked_fill(is_target, -torch.inf).logsumexp(1)
    nll, q = -functional.logsigmoid(margin), torch.sigmoid(-margin)
    if not averaged:
        return [nll, q, None]
    apart = weighted_values(own.unsqueeze(1) - logits, class_weight)
    mean_weight = 1 if class_weight is None else class_weight.mean()
    return [nll, q, apart.mean(1) + mean_weight * nll]
