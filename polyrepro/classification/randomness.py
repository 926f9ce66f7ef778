"""Stateless randomness: every draw is a function of names and numbers, never of what ran before.

Order is a function of (seed, epoch), augmentation of (seed, epoch, image), anything the model
draws itself of (seed, step). The variants of one seed therefore share initial weights, order and
augmentation, and are compared in pairs; the position of a run is one integer.
"""

import hashlib

import torch


def derive_seed(*parts: str | int) -> int:
    """A 63-bit seed from names and numbers; independent of platform and process."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_global_draws(device: torch.device, *parts: str | int) -> None:
    """Make what a model draws by itself (initial weights, stochastic depth) a function of `parts`.

    Not `torch.manual_seed`: without a GPU it keeps a stack trace of every call for the moment
    when one appears, which costs more than a small training step.
    """
    torch.default_generator.manual_seed(derive_seed(*parts))
    if device.type == "cuda":
        torch.cuda.manual_seed(derive_seed(*parts))


def generator(*parts: str | int) -> torch.Generator:
    """A CPU generator that is a function of `parts` alone."""
    return torch.Generator().manual_seed(derive_seed(*parts))
