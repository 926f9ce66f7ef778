"""The losses on the device against their definition in float64 on the CPU."""

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from polyrepro.check_gpu.outcome import CheckFailedError
from polyrepro.losses import (
    get_backend,
    poly_binary_cross_entropy,
    poly_cross_entropy,
    set_backend,
)

SIZES = [(64, 10), (128, 1000), (32, 21843)]
SOFTMAX = (
    {"epsilon": (2.0,)},
    {"epsilon": (0.5, -0.3, 0.2), "gamma": 1.5},
    {"terms": 1},
    {"terms": 8},
    {"epsilon": (2.0,), "label_smoothing": 0.1},
)
SIGMOID = ({"gamma": 2.0, "alpha": 0.25}, {"epsilon": (1.0,), "gamma": 2.0, "alpha": 0.25})
TOLERANCES = {torch.float32: (2e-5, 3e-5), torch.bfloat16: (2e-5, 5e-3)}
"""Largest relative distance of the losses, and of their gradients, which have the logits' type."""


def check_losses(device: torch.device) -> str:
    """Compare every form, in two precisions and for 10 to 21,843 classes."""
    gpu = device.type == "cuda"
    before, found = get_backend(), []
    try:
        for backend in ("torch", "triton") if gpu else ("torch",):
            set_backend(backend)
            for size, dtype in itertools.product(SIZES if gpu else SIZES[:1], TOLERANCES):
                where = f"of {size[0]} x {size[1]} {dtype} logits by {backend}"
                found += _shares_of_tolerance(size, dtype, device, where)
    finally:
        set_backend(before)
    return f"{len(found)} cases, the worst at {100 * max(found):.0f} % of the tolerance"


def _shares_of_tolerance(
    size: tuple[int, int], dtype: torch.dtype, device: torch.device, where: str
) -> Iterator[float]:
    for name, ours, exact in _forms(size, dtype, device):
        share = _share_of_tolerance(ours, exact, dtype)
        if not share <= 1:
            raise CheckFailedError(
                f"{name} {where} differs from its definition by {share:.3g} times what rounding "
                "explains"
            )
        yield share


def _forms(size: tuple[int, int], dtype: torch.dtype, device: torch.device):
    """Names; loss of each sample and gradient of their sum; the same by definition."""
    generator = torch.Generator().manual_seed(0)
    logits = (3 * torch.randn(size, generator=generator)).to(dtype)
    index = torch.randint(size[1], size[:1], generator=generator)
    one_hot = functional.one_hot(index, size[1])
    soft = torch.rand(size, generator=generator).softmax(1)
    elements = torch.rand(size, generator=generator)
    for options in SOFTMAX:
        for target, labels in ((index, one_hot), (soft, soft)):
            yield (
                f"poly_cross_entropy({options})",
                _with_gradient(poly_cross_entropy, logits.to(device), target.to(device), options),
                _with_gradient(softmax_definition, logits.double(), labels.double(), options),
            )
    for options in SIGMOID:
        yield (
            f"poly_binary_cross_entropy({options})",
            _with_gradient(
                poly_binary_cross_entropy, logits.to(device), elements.to(device), options
            ),
            _with_gradient(sigmoid_definition, logits.double(), elements.double(), options),
        )


def _with_gradient(function, logits: Tensor, target: Tensor, options: dict):
    logits = logits.clone().requires_grad_()
    losses = function(logits, target, **options, reduction="none")
    return losses.detach(), torch.autograd.grad(losses.sum(), logits)[0]


def _share_of_tolerance(ours, exact, dtype: torch.dtype) -> float:
    """The larger distance of value and gradient, divided by what is allowed; NaN if not finite."""
    shares = [
        ((a.cpu().double() - b).norm() / b.norm() / allowed).item()
        for a, b, allowed in zip(ours, exact, TOLERANCES[dtype], strict=True)
    ]
    return max(shares) if all(share == share for share in shares) else float("nan")


def softmax_definition(
    z: Tensor, y: Tensor, epsilon=(), terms=None, gamma=0.0, label_smoothing=0.0, reduction="none"
) -> Tensor:
    """Eq. 1, 5 and 6 of the paper for probabilities y; of each sample."""
    y = y * (1 - label_smoothing) + label_smoothing / z.shape[1]
    p = z.softmax(1)
    each = -z.log_softmax(1) if terms is None else _first_terms(1 - p, terms)
    q = ((1 - y) * p).sum(1)
    return _focal((y * each).sum(1), q, epsilon, gamma)


def sigmoid_definition(
    x: Tensor, y: Tensor, epsilon=(), gamma=0.0, alpha=None, reduction="none"
) -> Tensor:
    """The same for each element on its own, with the balance alpha of the focal loss."""
    q = y * torch.sigmoid(-x) + (1 - y) * torch.sigmoid(x)
    base = y * functional.softplus(-x) + (1 - y) * functional.softplus(x)
    return _focal(base, q, epsilon, gamma) * (alpha * y + (1 - alpha) * (1 - y))


def _first_terms(q: Tensor, terms: int) -> Tensor:
    return sum((q**j / j for j in range(1, terms + 1)), torch.zeros_like(q))


def _focal(base: Tensor, q: Tensor, epsilon: tuple[float, ...], gamma: float) -> Tensor:
    polynomial = sum((e * q**j for j, e in enumerate(epsilon, 1)), torch.zeros_like(q))
    return q**gamma * (base + polynomial)
