"""The only operations on large arrays: a row of logits becomes a few numbers per sample.

A series, class weights and reductions are ordinary differentiable torch operations on these.

What is kept for the backward pass is p: as much memory as torch's cross-entropy keeps, and no
exponential in the backward pass. It is an output, too, so that the backward pass can be
differentiated. Nothing is written into a result of torch's in the forward pass: someone else may
have saved it, as selective checkpoints do.
"""

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses.reduction import Function, is_known, joined, row_blocks

# nll_loss is given an ignored index that cannot occur: so it checks all of them.
NO_INDEX = torch.iinfo(torch.int64).min


class TorchRows(Function):
    """Three numbers per sample, and p.

    With class indices t they are ``-log P_t``, ``q = 1 - P_t``, and the mean of ``-w_i log p_i`` if
    ``averaged`` (otherwise None). With labels y they are the base term
    ``sum_i y_i w_i base(-log p_i)``, ``q = 1 - sum_i y_i p_i``, and ``sum_i y_i w_i``.
    """

    @staticmethod
    def forward(logits, target, averaged, class_weight, series):
        p = logits.softmax(1)
        if target.is_floating_point():
            return *_label_numbers(logits, target, class_weight, series, p), p
        return *_index_numbers(logits, target, averaged, class_weight, p), p

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


def weighted_values(values: Tensor, class_weight: Tensor | None) -> Tensor:
    """``values`` (N, C, d1, ...), or (N, 1, d1, ...), times one weight per class, if there are."""
    if class_weight is None:
        return values
    return values * class_weight.view(-1, *[1] * (values.dim() - 2))


def of_target(values: Tensor, index: Tensor) -> Tensor:
    """The entries of the targets; an index out of range is the error of torch's cross-entropy."""
    return -functional.nll_loss(values, index, reduction="none", ignore_index=NO_INDEX)


def _index_numbers(
    logits, index, averaged, class_weight, p
) -> tuple[Tensor, Tensor, Tensor | None]:
    pt = of_target(p, index)
    q = 1 - pt
    if not is_known((pt <= 0.5).all()):
        # There 1 - P_t cancels; the sum over the other classes does not.
        blocks = row_blocks(p, index.unsqueeze(1))
        q = joined(each.scatter(1, own, 0).sum(1) for each, own in blocks)
    # log(1 + (1 - P_t) / P_t) is accurate at both ends, until P_t underflows.
    nll = torch.log1p(q / pt)
    if not is_known((pt > torch.finfo(pt.dtype).tiny).all()):
        far = (logits.amax(1) - of_target(logits, index)) - p.amax(1).log()
        nll = torch.where(pt > 0.5, nll, far)
    if not averaged:
        return nll, q, None
    # As distances to the target's logit, where large logits cancel exactly.
    blocks = row_blocks(logits, of_target(logits, index).unsqueeze(1))
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
    first = logits[:, 0]
    log_sum = first - p[:, 0].log()
    # Then neither has p underflowed there, nor do differences to log_sum lose precision.
    moderate = is_known((torch.maximum(first.abs(), log_sum.abs()) <= 32).all())

    def numbers(z, y, p, log_sum) -> tuple[Tensor, Tensor, Tensor]:
        """Of a block: a function, so that its memory is free for the next one."""
        v = weighted_values(y, class_weight)
        # p - p y, summed, is 1 - sum_i y_i p_i without its cancellation.
        q, mass = torch.addcmul(p, p, y, value=-1).sum(1), v.sum(1)
        if series.has_bounded_base:
            return (v * series.bounded_base(1 - p)).sum(1), q, mass
        if moderate:
            return mass * log_sum - (v * z).sum(1), q, mass
        # The likeliest class never underflows: -log p_i = (max z - z_i) - log max p.
        far = z.amax(1, keepdim=True) - z
        return (v * far).sum(1) - mass * p.amax(1).log(), q, mass

    parts = [numbers(*block) for block in row_blocks(logits, labels, p, log_sum)]
    base, q, mass = (joined(part) for part in zip(*parts, strict=True))
    return base, q, mass


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
