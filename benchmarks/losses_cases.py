"""The losses that `losses.py` measures, ours and others', and their data."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.losses import (
    PolyBinaryCrossEntropyLoss,
    poly_binary_cross_entropy,
    poly_cross_entropy,
)

Loss = Callable[[Tensor, Tensor], Tensor]
OURS = "polyrepro"
OVERWRITING = "liger-kernel"
"""The package whose loss writes its gradient over the logits."""


@dataclass
class Group:
    """Losses on the same data; the first one is what the others are compared with."""

    name: str
    rows: int
    classes: int
    labels: str
    rounds: int
    dtype: torch.dtype = torch.float32
    losses: list[tuple[str, str, Loss]] = field(default_factory=list)

    def data(self, device: str) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(self.rows, self.classes, generator=generator)
        if self.labels in ("index", "learnt"):
            target = torch.randint(0, self.classes, (self.rows,), generator=generator)
            if self.labels == "learnt":
                # P_t is above one half everywhere, as late in training.
                logits.scatter_(1, target.unsqueeze(1), 15.0)
        elif self.labels == "probabilities":
            target = torch.rand(logits.shape, generator=generator).softmax(1)
        else:
            target = (torch.rand(logits.shape, generator=generator) < 0.02).float()
        logits = logits.to(device, self.dtype).requires_grad_()
        return logits, target.to(device)


def peer(module: str, name: str) -> Callable | None:
    """An attribute of another package, or None and a line when it is not installed."""
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError:
        print(f"skipped: {module.split('.')[0]} is not installed")
        return None


def entry(package: str, name: str, loss: Loss | None) -> list[tuple[str, str, Loss]]:
    """One row of the table, none for a peer that is missing."""
    return [] if loss is None else [(package, name, loss)]


def softmax_losses(peers: list, **common) -> list[tuple[str, str, Loss]]:
    """torch's cross-entropy, ours with the same arguments, and peers."""

    def ours(**series) -> Loss:
        return lambda logits, target: poly_cross_entropy(logits, target, **series, **common)

    return [
        ("torch", "cross-entropy", partial(functional.cross_entropy, **common)),
        (OURS, "Poly-1", ours(epsilon=2.0)),
        (OURS, "Poly-3", ours(epsilon=(2.0, -0.4, 0.3))),
        (OURS, "focal", ours(gamma=2.0)),
        (OURS, "Poly-1 focal", ours(epsilon=2.0, gamma=2.0)),
        (OURS, "truncated, 8 terms", ours(terms=8)),
        (OURS, "truncated, 100 terms", ours(terms=100)),
        *peers,
    ]


def sigmoid_losses(device: str) -> list[tuple[str, str, Loss]]:
    ours = partial(poly_binary_cross_entropy, gamma=2.0, alpha=0.25)
    torchvision_loss = peer("torchvision.ops", "sigmoid_focal_loss")
    timm_loss = peer("timm.loss", "PolyBinaryCrossEntropy")
    compiled = torch.compile(PolyBinaryCrossEntropyLoss(gamma=2.0, alpha=0.25))
    return [
        ("torch", "cross-entropy", functional.binary_cross_entropy_with_logits),
        (OURS, "focal", ours),
        (OURS, "Poly-1 focal", partial(ours, epsilon=2.0)),
        *entry("torch.compile", "focal", compiled if device == "cuda" else None),
        *entry(
            "torchvision", "focal", torchvision_loss and partial(torchvision_loss, reduction="mean")
        ),
        *entry("timm", "Poly-1 focal", timm_loss and timm_loss(2.0, gamma=2.0, alpha=0.25)),
    ]


def groups(device: str) -> list[Group]:
    """The sizes: ImageNet-1K, ImageNet-21K, and the anchors of a detector."""
    timm_class, polyloss_class = peer("timm.loss", "PolyCrossEntropy"), peer("polyloss", "PolyLoss")
    timm_loss = entry("timm", "Poly-1", timm_class and timm_class(2.0))
    peers = timm_loss + entry("polyloss", "Poly-1", polyloss_class and polyloss_class(2.0))
    if device == "cuda":
        liger = peer("liger_kernel.transformers.functional", "liger_cross_entropy")
        peers += entry(OVERWRITING, "cross-entropy", liger)
    large, dtype = (8192, torch.bfloat16) if device == "cuda" else (256, torch.float32)
    soft = softmax_losses([]) + timm_loss
    smoothed = softmax_losses([], label_smoothing=0.1)[:5]
    return [
        Group("class indices", 1024, 1000, "index", 101, losses=softmax_losses(peers)),
        Group("class indices", large, 21843, "index", 31, dtype, softmax_losses(peers)),
        Group("learnt class indices", 1024, 1000, "learnt", 51, losses=softmax_losses([])[:5]),
        Group("learnt class indices", large, 21843, "learnt", 31, dtype, softmax_losses([])[:5]),
        Group("probabilities", 1024, 1000, "probabilities", 31, losses=soft),
        Group("probabilities", 256, 21843, "probabilities", 11, losses=soft),
        Group("smoothed indices", 1024, 1000, "index", 51, losses=smoothed),
        Group("sigmoid", 200_000, 80, "binary", 5, losses=sigmoid_losses(device)),
    ]
