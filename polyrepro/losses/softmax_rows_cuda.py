"""The autograd function around the Triton kernels; it keeps logits and a few numbers per row.

Where its backward pass is differentiated itself, that is computed by torch operations on p.
"""

import torch

from polyrepro.losses import softmax_rows_triton as kernels
from polyrepro.losses.reduction import Function
from polyrepro.losses.series import Series
from polyrepro.losses.softmax_rows import index_weight, row_gradient


class TritonRows(Function):
    """As :class:`polyrepro.losses.softmax_rows.TorchRows`, with the statistics instead of p.

    ``target`` holds class indices, or labels for ``-log p`` as the base term.
    """

    # A kernel computes for the whole array, so it cannot be mapped over.
    generate_vmap_rule = False

    @staticmethod
    def vmap(*_):
        raise NotImplementedError(
            "the Triton kernels of the losses cannot be mapped over (torch.vmap, torch.func.jacrev)"
            '; choose torch operations: polyrepro.losses.set_backend("torch")'
        )

    @staticmethod
    def forward(logits, target, averaged, class_weight):
        statistics = kernels.forward(logits, target, averaged, class_weight)
        return *statistics[:3].clone(), statistics

    @staticmethod
    def setup_context(ctx, inputs, output):
        logits, target, ctx.averaged, class_weight = inputs
        base, q, third, statistics = output
        # With labels the third number is the sum of their weights; otherwise the mean, if wanted.
        ctx.mark_non_differentiable(statistics, *([] if ctx.averaged else [third]))
        ctx.save_for_backward(logits, target, class_weight, base, q, statistics)

    @staticmethod
    def backward(ctx, by_base, by_q, by_mean, _):
        logits, target, class_weight, base, q, statistics = ctx.saved_tensors
        by_mean = by_mean if ctx.averaged else None
        if torch.is_grad_enabled():
            numbers = (base, q, statistics[2], logits.float().softmax(1))
            along = (by_base, by_q, by_mean)
            gradient = row_gradient(target, class_weight, *numbers, *along, Series())
            return gradient.to(logits.dtype), None, None, None
        along = (by_q, by_base)
        if not target.is_floating_point():
            # Samples that do not count have no gradient, whatever their logits are.
            pt = torch.exp(-base).masked_fill(by_q == 0, 0)
            along = (index_weight(pt, by_base, by_q), by_mean)
        gradient = kernels.backward(logits, target, class_weight, statistics, *along)
        return gradient, None, None, None
