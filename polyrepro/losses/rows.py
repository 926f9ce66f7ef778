"""The only operations on large arrays: a row of logits becomes a few numbers per sample.

With a class index t, these are ``-log P_t`` and, for label smoothing, the mean of ``-log p_i``;
with a probability y_i for each class, the base term ``sum_i y_i base(-log p_i)`` and
``q = 1 - sum_i y_i p_i``. A series, class weights and reductions are ordinary differentiable torch
operations on these.

What is kept for the backward pass is p: as much memory as torch's cross-entropy keeps, and no
exponential in the backward pass. It is an output, too, so that the backward pass can be
differentiated. Nothing is written into a result of torch's once it exists: someone else may have
saved it, as selective checkpoints do.
"""

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.reduction import is_known, joined, known_number, row_blocks, with_signature

# nll_loss is given an ignored index that cannot occur: so it checks all of them.
NO_INDEX = torch.iinfo(torch.int64).min


class Rows(torch.autograd.Function):
    """What both kinds of rows have in common."""

    generate_vmap_rule = True

    @staticmethod
    def jvp(ctx, *_):
        raise NotImplementedError(
            "the losses have no forward mode (torch.func.jvp, jacfwd, hessian); use reverse mode: "
            "torch.func.vjp, jacrev, and jacrev(jacrev(f)) for the Hessian"
        )


@with_signature
class IndexRows(Rows):
    """``-log P_t``, the mean of ``-w_i log p_i`` if it is wanted, and p."""

    @staticmethod
    def forward(logits, index, averaged, class_weight):
        column = index.unsqueeze(1)
        p = logits.softmax(1)
        pt = _of_target(p, column)
        lowest, highest = _known_range(pt)
        # Where P_t is large, 1 - P_t cancels; the sum over the other classes does not.
        q = 1 - pt if highest <= 0.5 else _of_others(p, column, pt)
        # log(1 + (1 - P_t) / P_t) is accurate at both ends, until P_t underflows.
        nll = torch.log1p(q / pt)
        if not lowest > torch.finfo(pt.dtype).tiny:
            far = (logits.amax(1) - _of_target(logits, column)) - p.amax(1).log()
            nll = torch.where(pt > 0.5, nll, far)
        if not averaged:
            return nll, p
        # As distances to the target's logit, where large logits cancel exactly.
        blocks = row_blocks(logits, logits.gather(1, column))
        below = joined([weighted_mean(own - logits, class_weight) for logits, own in blocks])
        mean_weight = 1 if class_weight is None else class_weight.mean()
        return nll, below + mean_weight * nll, p

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, index, ctx.averaged, class_weight = inputs
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(index, class_weight, output[0], output[-1])

    @staticmethod
    def backward(ctx, by_nll, *others):
        index, class_weight, nll, p = ctx.saved_tensors
        by_mean, by_p = others if ctx.averaged else (None, *others)
        gradient = None
        if by_nll is not None or by_mean is not None:
            gradient = index_gradient(index, class_weight, nll, p, by_nll, by_mean)
        if by_p is not None:
            gradient = _sum(gradient, softmax_derivative(p, by_p))
        return gradient, None, None, None


def index_gradient(index, class_weight, nll, p, by_nll, by_mean) -> Tensor:
    """``by_nll (p_i - [i == t]) + by_mean (p_i mean(w) - w_i / C)``."""
    in_place = not torch.is_grad_enabled()
    softmax_residual = torch.expm1(-nll)
    by_p = torch.zeros_like(nll) if by_nll is None else by_nll
    own = softmax_residual * by_p
    if by_mean is not None:
        share = by_mean if class_weight is None else by_mean * class_weight.mean()
        by_p, own = by_p + share, own + torch.exp(-nll) * share
    gradient, at = p * by_p.unsqueeze(1), (1, index.unsqueeze(1), own.unsqueeze(1))
    gradient = gradient.scatter_(*at) if in_place else gradient.scatter(*at)
    if by_mean is None:
        return gradient
    share = weighted_values((by_mean / p.shape[1]).unsqueeze(1), class_weight)
    return gradient.sub_(share) if in_place else gradient - share


@with_signature
class LabelRows(Rows):
    """The base term, q, ``sum_i y_i w_i``, which is no function of the logits, and p."""

    @staticmethod
    def forward(logits, labels, class_weight, series):
        p = logits.softmax(1)
        blocks = row_blocks(logits, labels, p)
        parts = [_label_sums(*block, series, class_weight) for block in blocks]
        return *(joined(list(part)) for part in zip(*parts, strict=True)), p

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, labels, class_weight, ctx.series = inputs
        _, q, mass, p = output
        ctx.mark_non_differentiable(mass)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(labels, class_weight, q, mass, p)

    @staticmethod
    def backward(ctx, by_base, by_q, _, by_p):
        labels, class_weight, q, mass, p = ctx.saved_tensors
        gradient = None
        if by_base is not None or by_q is not None:
            zero = q.new_zeros(())
            rows = (zero if by is None else by.unsqueeze(1) for by in (by_base, by_q))
            bounded = ctx.series if ctx.series.has_bounded_base else None
            sums = (q.unsqueeze(1), mass.unsqueeze(1))
            gradient = label_gradient(bounded, class_weight, p, labels, *sums, *rows)
        if by_p is not None:
            gradient = _sum(gradient, softmax_derivative(p, by_p))
        return gradient, None, None, None


def _label_sums(logits, labels, p, series, class_weight) -> tuple[Tensor, Tensor, Tensor]:
    weighted = weighted_values(labels, class_weight)
    mass = weighted.sum(1)
    if series.has_bounded_base:
        base = (weighted * series.bounded_base(1 - p)).sum(1)
    else:
        base = _cross_entropy(logits, weighted, p, mass)
    # p - p y, summed, is 1 - sum_i y_i p_i without its cancellation.
    return base, torch.addcmul(p, p, labels, value=-1).sum(1), mass


def _cross_entropy(logits, labels, p, mass) -> Tensor:
    """``-sum_i y_i log p_i``."""
    log_first = p[:, 0].log()
    log_sum = logits[:, 0] - log_first
    if is_known((log_sum.abs() <= 32).all() & (log_first >= -80).all()):
        # Neither do differences to log_sum lose precision, nor has the first class underflowed.
        return mass * log_sum - (labels * logits).sum(1)
    # The likeliest class never underflows: log p_i = (z_i - max z) + log max p.
    below = labels * (logits.amax(1, keepdim=True) - logits)
    return below.sum(1) - mass * p.amax(1).log()


def label_gradient(series, class_weight, p, labels, q, mass, by_base, by_q) -> Tensor:
    """``by_base (p_i sum_k v_k - v_i) + by_q p_i (1 - q - y_i)``.

    Here ``v_i = y_i w_i``, times the gradient weight of the bounded base term of a ``series``.
    """

    def rest(p, labels, mass, by_base, by_q) -> Tensor:
        """What is to be subtracted from the first part of the gradient."""
        v = weighted_values(labels, class_weight)
        if series is None:
            return p * labels * by_q + by_base * v
        v = v * series.bounded_base_weight(1 - p)
        return p * (labels * by_q + by_base * (mass - v.sum(1, keepdim=True))) + by_base * v

    gradient = p * (by_base * mass + by_q * (1 - q))
    if torch.is_grad_enabled():
        return gradient - rest(p, labels, mass, by_base, by_q)
    # In place, and in blocks: fresh memory costs more than the arithmetic.
    for out, *block in row_blocks(gradient, p, labels, mass, by_base, by_q):
        out.sub_(rest(*block))
    return gradient


def softmax_derivative(p: Tensor, direction: Tensor) -> Tensor:
    """The Jacobian of softmax (it is symmetric) times ``direction``."""
    return p * (direction - (p * direction).sum(1, keepdim=True))


def weighted_values(values: Tensor, class_weight: Tensor | None) -> Tensor:
    """``values`` (N, C, d1, ...), or (N, 1, d1, ...), times one weight per class, if there are."""
    if class_weight is None:
        return values
    return values * class_weight.view(-1, *[1] * (values.dim() - 2))


def weighted_mean(values: Tensor, class_weight: Tensor | None) -> Tensor:
    return weighted_values(values, class_weight).mean(1)


def _sum(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else first + second


def _known_range(pt: Tensor) -> tuple[float, float]:
    """The lowest and the highest P_t; 0 and 1, which nothing follows from, if not to be read."""
    if pt.numel() == 0:
        return 0.0, 1.0
    lowest, highest = (known_number(each) for each in torch.aminmax(pt))
    return (0.0, 1.0) if lowest is None or highest is None else (lowest, highest)


def _of_others(p: Tensor, column: Tensor, pt: Tensor) -> Tensor:
    """``1 - P_t``, the sum over the other classes where P_t is large; of all if most are."""
    large = pt > 0.5
    count = known_number(large.sum())
    if p.dim() == 2 and count is not None and 2 * count < len(p):
        rows = large.nonzero().squeeze(1)
        return (1 - pt).index_copy(0, rows, p[rows].scatter(1, column[rows], 0).sum(1))
    return joined([p.scatter(1, at, 0).sum(1) for p, at in row_blocks(p, column)])


def _of_target(values: Tensor, column: Tensor) -> Tensor:
    """The target's entry; an index out of range is the error that torch's cross-entropy raises."""
    try:
        return values.gather(1, column).squeeze(1)
    except RuntimeError:
        functional.nll_loss(values, column.squeeze(1), ignore_index=NO_INDEX)
        raise
