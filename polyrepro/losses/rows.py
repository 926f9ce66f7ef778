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

from polyrepro.losses.reduction import joined, known_number, row_blocks, with_signature

# nll_loss is given an ignored index that cannot occur: so it checks all of them.
NO_INDEX = torch.iinfo(torch.int64).min


class Rows(torch.autograd.Function):
    """What all forms have in common."""

    generate_vmap_rule = True

    @staticmethod
    def jvp(ctx, *_):
        raise NotImplementedError(
            "the losses have no forward mode (torch.func.jvp, jacfwd, hessian); use reverse mode: "
            "torch.func.vjp, jacrev, and jacrev(jacrev(f)) for the Hessian"
        )


@with_signature
class IndexRows(Rows):
    """``-log P_t``, q, the mean of ``-w_i log p_i`` if it is wanted (otherwise None), and p."""

    @staticmethod
    def forward(logits, index, averaged, class_weight):
        column = index.unsqueeze(1)
        p = logits.softmax(1)
        pt = _of_target(p, column)
        lowest, highest = _known_range(pt)
        # Where P_t is large, 1 - P_t cancels; the sum over the other classes does not.
        q = 1 - pt if highest <= 0.5 else _of_others(p, column)
        # log(1 + (1 - P_t) / P_t) is accurate at both ends, until P_t underflows.
        nll = torch.log1p(q / pt)
        if not lowest > torch.finfo(pt.dtype).tiny:
            far = (logits.amax(1) - _of_target(logits, column)) - p.amax(1).log()
            nll = torch.where(pt > 0.5, nll, far)
        mean = _mean_nll(logits, column, nll, class_weight) if averaged else None
        return nll, q, mean, p

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, index, _, class_weight = inputs
        nll, q, _, p = output
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(index, class_weight, nll, q, p)

    @staticmethod
    def backward(ctx, by_nll, by_q, by_mean, by_p):
        gradient = None
        if by_nll is not None or by_q is not None or by_mean is not None:
            gradient = index_gradient(*ctx.saved_tensors, by_nll, by_q, by_mean)
        if by_p is not None:
            gradient = _sum(gradient, softmax_derivative(ctx.saved_tensors[-1], by_p))
        return gradient, None, None, None


def index_gradient(index, class_weight, nll, q, p, by_nll, by_q, by_mean) -> Tensor:
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
    if by_q is not None:
        return _sum(by_nll, by_q * pt)
    return torch.zeros_like(pt) if by_nll is None else by_nll


@with_signature
class LabelRows(Rows):
    """The base term, q, ``sum_i y_i w_i``, which is no function of the logits, and p."""

    @staticmethod
    def forward(logits, labels, class_weight, series):
        p = logits.softmax(1)
        blocks = row_blocks(logits, labels, p)
        parts = [_label_sums(*block, series, class_weight) for block in blocks]
        base, q, mass = (joined(part) for part in zip(*parts, strict=True))
        if not series.has_bounded_base:
            base = _cross_entropy(logits, labels, class_weight, p, base, mass)
        return base, q, mass, p

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, labels, class_weight, ctx.series = inputs
        _, q, mass, p = output
        ctx.mark_non_differentiable(mass)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(labels, class_weight, q, mass, p)

    @staticmethod
    def backward(ctx, by_base, by_q, _, by_p):
        gradient = None
        if by_base is not None or by_q is not None:
            bounded = ctx.series if ctx.series.has_bounded_base else None
            gradient = label_gradient(*ctx.saved_tensors, by_base, by_q, bounded)
        if by_p is not None:
            gradient = _sum(gradient, softmax_derivative(ctx.saved_tensors[-1], by_p))
        return gradient, None, None, None


def _label_sums(logits, labels, p, series, class_weight) -> tuple[Tensor, Tensor, Tensor]:
    """``sum_i y_i w_i z_i`` or the bounded base term, q, and ``sum_i y_i w_i``."""
    weighted = weighted_values(labels, class_weight)
    term = series.bounded_base(1 - p) if series.has_bounded_base else logits
    # p - p y, summed, is 1 - sum_i y_i p_i without its cancellation.
    q = torch.addcmul(p, p, labels, value=-1).sum(1)
    return (weighted * term).sum(1), q, weighted.sum(1)


def _cross_entropy(logits, labels, class_weight, p, spread, mass) -> Tensor:
    """``-sum_i y_i w_i log p_i`` from ``spread``, ``sum_i y_i w_i z_i``."""
    log_first = p[:, 0].log()
    log_sum = logits[:, 0] - log_first
    if _known_range(log_first)[0] >= -80 and max(map(abs, _known_range(log_sum))) <= 32:
        # Neither has the first class underflowed, nor do differences to log_sum lose precision.
        return mass * log_sum - spread
    # The likeliest class never underflows: log p_i = (z_i - max z) + log max p.
    blocks = row_blocks(logits, labels, p, mass)
    return joined(
        (weighted_values(y, class_weight) * (z.amax(1, keepdim=True) - z)).sum(1)
        - mass * p.amax(1).log()
        for z, y, p, mass in blocks
    )


def label_gradient(labels, class_weight, q, mass, p, by_base, by_q, series=None) -> Tensor:
    """``by_base (p_i sum_k v_k - v_i) + by_q p_i (1 - q - y_i)``.

    Here ``v_i = y_i w_i``, times the gradient weight of the bounded base term of a ``series``.
    """
    zero = torch.zeros_like(by_q if by_base is None else by_base)
    given = (q, mass, zero if by_base is None else by_base, zero if by_q is None else by_q)
    q, mass, by_base, by_q = (each.unsqueeze(1) for each in given)
    along_q = by_q * (1 - q)

    def parts(p, labels, mass, by_base, along_q) -> tuple[Tensor, Tensor]:
        """v, and what p is multiplied by in every class."""
        v = weighted_values(labels, class_weight)
        if series is not None:
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


def softmax_derivative(p: Tensor, direction: Tensor) -> Tensor:
    """The Jacobian of softmax (it is symmetric) times ``direction``."""
    return p * (direction - (p * direction).sum(1, keepdim=True))


def weighted_values(values: Tensor, class_weight: Tensor | None) -> Tensor:
    """``values`` (N, C, d1, ...), or (N, 1, d1, ...), times one weight per class, if there are."""
    if class_weight is None:
        return values
    return values * class_weight.view(-1, *[1] * (values.dim() - 2))


def _mean_nll(logits, column, nll, class_weight) -> Tensor:
    """The mean of ``-w_i log p_i``."""
    # As distances to the target's logit, where large logits cancel exactly.
    blocks = row_blocks(logits, logits.gather(1, column))
    means = (weighted_values(own - logits, class_weight).mean(1) for logits, own in blocks)
    return joined(means) + (nll if class_weight is None else nll * class_weight.mean())


def _sum(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else first + second


def _known_range(values: Tensor) -> tuple[float, float]:
    """The lowest and the highest of a vector; infinities, if they cannot be read at once."""
    if values.numel() == 0:
        return -math.inf, math.inf
    lowest, highest = (known_number(each) for each in torch.aminmax(values))
    return (-math.inf, math.inf) if lowest is None or highest is None else (lowest, highest)


def _of_others(p: Tensor, column: Tensor) -> Tensor:
    """``1 - P_t``."""
    blocks = row_blocks(p, column)
    return joined(p.scatter(1, column, 0).sum(1) for p, column in blocks)


def _of_target(values: Tensor, column: Tensor) -> Tensor:
    """The target's entry; an index out of range is the error that torch's cross-entropy raises."""
    try:
        return values.gather(1, column).squeeze(1)
    except RuntimeError:
        functional.nll_loss(values, column.squeeze(1), ignore_index=NO_INDEX)
        raise
