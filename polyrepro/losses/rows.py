"""The only operations on large arrays: a row of logits becomes a few numbers per sample.

With a class index t, these are ``-log P_t``, ``q = 1 - P_t`` and, for label smoothing, the mean of
``-log p_i``; with a probability y_i for each class, the base term ``sum_i y_i base(-log p_i)`` and
``q = 1 - sum_i y_i p_i``. A series, class weights and reductions are ordinary differentiable torch
operations on these.

What is kept for the backward pass is p: as much memory as torch's cross-entropy keeps, and no
exponential in the backward pass. It is an output, too, so that the backward pass can be
differentiated. Nothing is written into a result of torch's in the forward pass: someone else may
have saved it, as selective checkpoints do.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.reduction import Function, joined, known_number, row_blocks

# nll_loss is given an ignored index that cannot occur: so it checks all of them.
NO_INDEX = torch.iinfo(torch.int64).min


class TorchRows(Function):
    """Three numbers per sample, and p.

    With class indices they are ``-log P_t``, q, and the mean of ``-w_i log p_i`` if ``averaged``
    (otherwise None); with labels the base term, q, and ``sum_i y_i w_i``.
    """

    @staticmethod
    def forward(logits, target, averaged, class_weight, series):
        p = logits.softmax(1)
        if target.is_floating_point():
            return *_label_numbers(logits, target, class_weight, series, p), p
        return *_index_numbers(logits, target.unsqueeze(1), averaged, class_weight, p), p

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, target, _, class_weight, ctx.series = inputs
        if target.is_floating_point():
            ctx.mark_non_differentiable(output[2])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(target, class_weight, *output)

    @staticmethod
    def backward(ctx, by_first, by_q, by_third, by_p):
        gradient = row_gradient(*ctx.saved_tensors, by_first, by_q, by_third, ctx.series)
        if by_p is not None:
            # The Jacobian of softmax, which is symmetric, times ``by_p``.
            p = ctx.saved_tensors[-1]
            gradient = gradient + p * (by_p - (p * by_p).sum(1, keepdim=True))
        return gradient, None, None, None, None


def row_gradient(target, class_weight, first, q, third, p, by_first, by_q, by_third, series):
    """The gradient by the logits, from those by the three numbers; None for 0."""
    if target.is_floating_point():
        return _label_gradient(target, class_weight, q, third, p, by_first, by_q, series)
    return _index_gradient(target, class_weight, first, q, p, by_first, by_q, by_third)


def _index_numbers(
    logits, column, averaged, class_weight, p
) -> tuple[Tensor, Tensor, Tensor | None]:
    pt = _of_target(p, column)
    lowest, highest = _known_range(pt)
    q = 1 - pt
    if not highest <= 0.5:
        # There 1 - P_t cancels; the sum over the other classes does not.
        q = joined(each.scatter(1, own, 0).sum(1) for each, own in row_blocks(p, column))
    # log(1 + (1 - P_t) / P_t) is accurate at both ends, until P_t underflows.
    nll = torch.log1p(q / pt)
    if not lowest > torch.finfo(pt.dtype).tiny:
        far = (logits.amax(1) - _of_target(logits, column)) - p.amax(1).log()
        nll = torch.where(pt > 0.5, nll, far)
    if not averaged:
        return nll, q, None
    # As distances to the target's logit, where large logits cancel exactly.
    blocks = row_blocks(logits, logits.gather(1, column))
    means = (weighted_values(own - z, class_weight).mean(1) for z, own in blocks)
    return nll, q, joined(means) + (nll if class_weight is None else nll * class_weight.mean())


def _index_gradient(index, class_weight, nll, q, p, by_nll, by_q, by_mean) -> Tensor:
    """``(by_nll + by_q P_t) (p_i - [i == t]) + by_mean (p_i mean(w) - w_i / C)``."""
    pt = torch.exp(-nll)
    weight = index_weight(pt, by_nll, by_q)
    by_p, own = weight, -weight * q
    if by_mean is not None:
        share = by_mean if class_weight is None else by_mean * class_weight.mean()
        by_p, own = by_p + share, own + pt * share
    gradient = p * by_p.unsqueeze(1)
    at = (1, index.unsqueeze(1), own.unsqueeze(1))
    # A copy costs a pass; under a transform it is what torch maps over without a loop.
    gradient = gradient.scatter(*at) if torch.is_grad_enabled() else gradient.scatter_(*at)
    if by_mean is not None:
        gradient.sub_(weighted_values((by_mean / p.shape[1]).unsqueeze(1), class_weight))
    return gradient


def index_weight(pt: Tensor, by_nll: Tensor | None, by_q: Tensor | None) -> Tensor:
    """The derivative by ``-log P_t``, on which q depends, too."""
    if by_q is None:
        return torch.zeros_like(pt) if by_nll is None else by_nll
    return by_q * pt if by_nll is None else by_nll + by_q * pt


def _label_numbers(logits, labels, class_weight, series, p) -> tuple[Tensor, Tensor, Tensor]:
    parts = []
    for z, y, each in row_blocks(logits, labels, p):
        weighted = weighted_values(y, class_weight)
        term = series.bounded_base(1 - each) if series.has_bounded_base else z
        # p - p y, summed, is 1 - sum_i y_i p_i without its cancellation.
        q = torch.addcmul(each, each, y, value=-1).sum(1)
        parts.append(((weighted * term).sum(1), q, weighted.sum(1)))
    base, q, mass = (joined(part) for part in zip(*parts, strict=True))
    if not series.has_bounded_base:
        base = _cross_entropy(logits, labels, class_weight, p, base, mass)
    return base, q, mass


def _cross_entropy(logits, labels, class_weight, p, spread, mass) -> Tensor:
    """``-sum_i y_i w_i log p_i`` from ``spread``, ``sum_i y_i w_i z_i``."""
    log_first = p[:, 0].log()
    log_sum = logits[:, 0] - log_first
    if _known_range(log_first)[0] >= -80 and max(map(abs, _known_range(log_sum))) <= 32:
        # Neither has the first class underflowed, nor do differences to log_sum lose precision.
        return mass * log_sum - spread
    # The likeliest class never underflows: log p_i = (z_i - max z) + log max p.
    return joined(
        (weighted_values(y, class_weight) * (z.amax(1, keepdim=True) - z)).sum(1)
        - mass * p.amax(1).log()
        for z, y, p, mass in row_blocks(logits, labels, p, mass)
    )


def _label_gradient(labels, class_weight, q, mass, p, by_base, by_q, series) -> Tensor:
    """``by_base (p_i sum_k v_k - v_i) + by_q p_i (1 - q - y_i)``.

    Here ``v_i = y_i w_i``, times the gradient weight of a bounded base term.
    """
    given = (torch.zeros_like(q) if by is None else by for by in (by_base, by_q))
    q, mass, by_base, by_q = (each.unsqueeze(1) for each in (q, mass, *given))
    along_q = by_q * (1 - q)

    def parts(p, labels, mass, by_base, along_q) -> tuple[Tensor, Tensor]:
        """v, and what p is multiplied by in every class."""
        v = weighted_values(labels, class_weight)
        if series.has_bounded_base:
            v = v * series.bounded_base_weight(1 - p)
            mass = v.sum(1, keepdim=True)
        return v, by_base * mass + along_q

    if torch.is_grad_enabled():
        v, common = parts(p, labels, mass, by_base, along_q)
        return p * (common - by_q * labels) - by_base * v
    # In blocks and in place: fresh memory costs more than the arithmetic.
    gradient = labels * -by_q
    for out, *block in row_blocks(gradient, p, labels, mass, by_base, along_q):
        v, common = parts(*block)
        out.add_(common).mul_(block[0]).addcmul_(v, block[3], value=-1)
    return gradient


def weighted_values(values: Tensor, class_weight: Tensor | None) -> Tensor:
    """``values`` (N, C, d1, ...), or (N, 1, d1, ...), times one weight per class, if there are."""
    if class_weight is None:
        return values
    return values * class_weight.view(-1, *[1] * (values.dim() - 2))


def _known_range(values: Tensor) -> tuple[float, float]:
    """The lowest and the highest of a vector; infinities, if they cannot be read at once."""
    if values.numel() == 0:
        return -math.inf, math.inf
    lowest, highest = (known_number(each) for each in torch.aminmax(values))
    return (-math.inf, math.inf) if lowest is None or highest is None else (lowest, highest)


def _of_target(values: Tensor, column: Tensor) -> Tensor:
    """The target's entry; an index out of range is the error that torch's cross-entropy raises."""
    try:
        return values.gather(1, column).squeeze(1)
    except RuntimeError:
        functional.nll_loss(values, column.squeeze(1), ignore_index=NO_INDEX)
        raise
