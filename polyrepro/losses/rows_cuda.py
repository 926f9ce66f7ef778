"""The autograd functions around the Triton kernels; they keep logits and a few numbers per row.

Where their backward pass is differentiated itself, it is computed by torch operations on p.
"""

import torch

from polyrepro.losses import rows_triton
from polyrepro.losses.rows import Rows, index_gradient, label_gradient


class TritonRows(Rows):
    """A kernel computes for the whole array, so it cannot be mapped over."""

    generate_vmap_rule = False

    @staticmethod
    def vmap(*_):
        raise NotImplementedError(
            "the Triton kernels of the losses cannot be mapped over (torch.vmap, torch.func.jacrev)"
            '; choose torch operations: polyrepro.losses.set_backend("torch")'
        )


class TritonIndexRows(TritonRows):
    """As :class:`polyrepro.losses.rows.IndexRows`, with the statistics instead of p."""

    @staticmethod
    def forward(logits, index, averaged, class_weight):
        statistics = rows_triton.index_statistics(logits, index, averaged, class_weight)
        return *statistics[: 2 if averaged else 1].clone(), statistics

    @staticmethod
    def setup_context(ctx, inputs, output):
        logits, index, ctx.averaged, class_weight = inputs
        ctx.mark_non_differentiable(output[-1])
        ctx.save_for_backward(logits, index, class_weight, output[0], output[-1])

    @staticmethod
    def backward(ctx, by_nll, *others):
        logits, index, class_weight, nll, statistics = ctx.saved_tensors
        by_mean = others[0] if ctx.averaged else None
        if torch.is_grad_enabled():
            p = logits.float().softmax(1)
            gradient = index_gradient(index, class_weight, nll, p, by_nll, by_mean)
            gradient = gradient.to(logits.dtype)
        else:
            gradient = rows_triton.index_gradient(
                logits, index, class_weight, statistics, by_nll, by_mean
            )
        return gradient, None, None, None


class TritonLabelRows(TritonRows):
    """As :class:`polyrepro.losses.rows.LabelRows`, for ``-log p`` as the base term."""

    @staticmethod
    def forward(logits, labels, class_weight):
        statistics = rows_triton.label_statistics(logits, labels, class_weight)
        return *statistics[:3].clone(), statistics

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, q, mass, statistics = output
        ctx.mark_non_differentiable(mass, statistics)
        ctx.save_for_backward(*inputs, q, statistics)

    @staticmethod
    def backward(ctx, by_base, by_q, *_):
        logits, labels, class_weight, q, statistics = ctx.saved_tensors
        if torch.is_grad_enabled():
            p = logits.float().softmax(1)
            rows = (each.unsqueeze(1) for each in (q, statistics[2], by_base, by_q))
            gradient = label_gradient(None, class_weight, p, labels, *rows).to(logits.dtype)
        else:
            gradient = rows_triton.label_gradient(
                logits, labels, class_weight, statistics, by_base, by_q
            )
        return gradient, None, None
