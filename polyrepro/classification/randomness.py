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


def generator(*parts: str | int) -> torch.Generator:
    """A CPU generator that is a function of `parts` alone."""
    return torch.Generator().manual_seed(derive_seed(*parts))
