"""MMDetection's ways to state what is right, turned into one label per logit.

A class index from 0 to classes - 1 is foreground; background is ``num_classes``, one more than the
last class.
"""

import torch
from torch import Tensor

NO_INDEX = -100


def one_hot_labels(index: Tensor, classes: int) -> Tensor:
    """(samples, classes) of 0 and 1, in float32; a row of zeros for background.

    Args:
        index: (samples,), any integer; what is not a class counts as background.
    """
    order = torch.arange(classes, device=index.device)
    return (index.unsqueeze(-1) == order).to(torch.float32)


def element_weight(weight: Tensor, losses: Tensor) -> Tensor:
    """``weight`` in a shape that multiplies ``losses``, (samples, classes).

    Args:
        weight: per sample (samples,); per element, also as (samples * classes,); or of any shape
            that has as many dimensions as the losses and can be broadcast to them.

    Raises:
        ValueError: for any other shape.
    """
    if weight.dim() == losses.dim():
        return weight
    if losses.dim() > 1 and weight.dim() == 1:
        if len(weight) == len(losses):
            return weight.view(-1, *[1] * (losses.dim() - 1))
        if weight.numel() == losses.numel():
            return weight.view(losses.shape)
    raise ValueError(
        f"weight of shape {tuple(weight.shape)} fits neither the samples nor the elements of "
        f"losses of shape {tuple(losses.shape)}"
    )


def sigmoid_labels(
    logits: Tensor, label: Tensor, weight: Tensor | None, ignore_index: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Labels, weights, and which elements count, for sigmoid losses.

    Args:
        logits: (samples, classes), or any shape.
        label: class indices (samples,), or a label in [0, 1] per logit. Negative ones and
            ``ignore_index`` do not count.
        weight: None; with class indices (samples,) or per element; otherwise of any shape that can
            be broadcast to the labels'.

    Returns:
        Three floating point tensors: labels of the shape of ``logits``; weights, 0 where an element
        does not count; and 1 where it counts, else 0. The last two can be broadcast to it.
    """
    counts = ((label >= 0) & (label != ignore_index)).to(torch.float32)
    if logits.dim() == label.dim():
        return label.to(torch.float32), counts if weight is None else weight * counts, counts
    labels = one_hot_labels(label, logits.shape[-1])
    counts = counts.unsqueeze(-1).expand(labels.shape)
    if weight is None:
        return labels, counts, counts
    return labels, element_weight(weight, labels) * counts, counts
