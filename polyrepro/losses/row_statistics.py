"""From rows of logits to numbers per sample: which code computes them for which arguments."""

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.backend import use_triton_rows
from polyrepro.losses.reduction import computing_dtype
from polyrepro.losses.rows import NO_INDEX, IndexRows, LabelRows, weighted_values
from polyrepro.losses.series import Series


def index_statistics(
    logits: Tensor, index: Tensor, averaged: bool, class_weight: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """``-log P_t``, ``1 - P_t`` and the mean over the classes of ``-w_i log p_i``.

    Args:
        logits: ``(N, C)`` or ``(N, C, d1, ...)``; half precision is computed in float32.
        index: the classes t, ``(N)`` or ``(N, d1, ...)``.
        averaged: whether the mean is wanted; what stands in its place otherwise has no meaning.
        class_weight: w, ``(C,)``, for the mean; None for 1.

    Raises:
        IndexError: a class index out of range.
    """
    if torch.compiler.is_compiling() or _is_learnt(class_weight):
        return _plain_index_statistics(logits, index, averaged, class_weight)
    if use_triton_rows(logits):
        # Imported here, because triton is needed on a GPU only.
        from polyrepro.losses.rows_cuda import TritonRows

        results = TritonRows.apply(logits, index, averaged, class_weight)
    else:
        logits = logits.to(computing_dtype(logits))
        results = IndexRows.apply(logits, index, averaged, class_weight)
    return results[:-1]


def label_statistics(
    logits: Tensor, labels: Tensor, series: Series, class_weight: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """``sum_i y_i w_i base(-log p_i)``, ``1 - sum_i y_i p_i``, and ``sum_i y_i w_i``.

    Args:
        logits: ``(N, C)`` or ``(N, C, d1, ...)``; half precision is computed in float32.
        labels: y, the shape of ``logits``, in the precision of the computation.
        class_weight: w, ``(C,)``; None for 1, and the last result is None, too.
    """
    fast = series.has_cross_entropy_base or series.has_bounded_base
    if torch.compiler.is_compiling() or not fast or _is_learnt(labels, class_weight):
        return _plain_label_statistics(logits, labels, series, class_weight)
    if series.has_cross_entropy_base and use_triton_rows(logits):
        from polyrepro.losses.rows_cuda import TritonRows

        base, q, mass, _ = TritonRows.apply(logits, labels, False, class_weight)
    else:
        logits = logits.to(computing_dtype(logits))
        base, q, mass, _ = LabelRows.apply(logits, labels, class_weight, series)
    return base, q, None if class_weight is None else mass


def _is_learnt(*tensors: Tensor | None) -> bool:
    return any(each is not None and each.requires_grad for each in tensors)


def _plain_index_statistics(logits, index, averaged, class_weight):
    """In operations that a compiler can fuse, and with derivatives by the weights."""
    logits = logits.to(computing_dtype(logits))
    own = -functional.nll_loss(logits, index, reduction="none", ignore_index=NO_INDEX)
    # A comparison is fused with what follows; writing to the target's place is not.
    classes = torch.arange(logits.shape[1], device=logits.device)
    is_target = classes.view(-1, *[1] * (logits.dim() - 2)) == index.unsqueeze(1)
    # The target is taken out of the sum, so nothing cancels when P_t is next to 1.
    margin = own - logits.masked_fill(is_target, -torch.inf).logsumexp(1)
    nll, q = -functional.logsigmoid(margin), torch.sigmoid(-margin)
    if not averaged:
        return nll, q, None
    mean_weight = 1 if class_weight is None else class_weight.mean()
    apart = weighted_values(own.unsqueeze(1) - logits, class_weight)
    return nll, q, apart.mean(1) + mean_weight * nll


def _plain_label_statistics(logits, labels, series, class_weight):
    """The same, for any series; these operations keep more for the backward pass."""
    logits = logits.to(computing_dtype(logits))
    weighted = weighted_values(labels, class_weight)
    base = (weighted * series.base(-logits.log_softmax(1))).sum(1)
    q = ((1 - labels) * logits.softmax(1)).sum(1)
    return base, q, None if class_weight is None else weighted.sum(1)
