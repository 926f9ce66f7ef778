"""Which code computes the losses on large arrays: torch operations or fused Triton kernels.

``auto`` (the default) takes the kernels for tensors on a CUDA device when triton is installed, and
torch everywhere else. ``torch`` and ``triton`` force either. The environment variable
``POLYREPRO_LOSSES_BACKEND`` sets the choice at start, :func:`set_backend` later.

Forcing ``triton`` on the CPU works in Triton's interpreter only (``TRITON_INTERPRET=1``, set before
triton is imported): slow, for tests.
"""

import functools
import importlib.util
import os

import torch
from torch import Tensor

BACKENDS = ("auto", "torch", "triton")
_choice = {"backend": os.environ.get("POLYREPRO_LOSSES_BACKEND", "auto")}


def set_backend(name: str) -> None:
    """Choose ``auto``, ``torch`` or ``triton`` for all losses from now on."""
    if name not in BACKENDS:
        raise ValueError(f"backend must be one of {BACKENDS}, got {name!r}")
    _choice["backend"] = name


def get_backend() -> str:
    """The current choice."""
    return _choice["backend"]


def use_triton(logits: Tensor) -> bool:
    """Whether a kernel should compute on these logits, as far as device and dtype are concerned."""
    name = get_backend()
    if name not in BACKENDS:
        raise ValueError(f"POLYREPRO_LOSSES_BACKEND must be one of {BACKENDS}, got {name!r}")
    if name == "torch" or logits.dtype == torch.float64:
        return False
    return name == "triton" or (logits.is_cuda and _triton_is_installed())


def use_triton_rows(logits: Tensor) -> bool:
    """The same for kernels that take rows of logits, ``(N, C)`` with at least one class."""
    return logits.dim() == 2 and logits.shape[1] > 0 and use_triton(logits)


@functools.cache
def _triton_is_installed() -> bool:
    return importlib.util.find_spec("triton") is not None
