"""Which code turns rows of logits into numbers per sample: torch operations or Triton kernels.

torch's are the default everywhere, on a GPU too, until the kernels have been measured on one.
``triton`` chooses the kernels, for the softmax form on a CUDA device; what they do not cover (the
sigmoid form, float64, logits that are not ``(N, C)``, a main term other than ``-log p``) stays with
torch. The environment variable ``POLYREPRO_LOSSES_BACKEND`` sets the choice at start,
:func:`set_backend` later.

On the CPU the kernels work in Triton's interpreter only (``TRITON_INTERPRET=1``, set before triton
is imported): slow, for tests.
"""

import os

import torch
from torch import Tensor

BACKENDS = ("auto", "torch", "triton")
_choice = {"backend": os.environ.get("POLYREPRO_LOSSES_BACKEND", "auto")}


def set_backend(name: str) -> None:
    """Choose ``auto`` (now the same as ``torch``), ``torch`` or ``triton`` for all losses."""
    if name not in BACKENDS:
        raise ValueError(f"backend must be one of {BACKENDS}, got {name!r}")
    _choice["backend"] = name


def get_backend() -> str:
    """The current choice."""
    return _choice["backend"]


def use_triton_rows(logits: Tensor) -> bool:
    """Whether a kernel should compute on these rows, as far as shape and dtype are concerned."""
    name = get_backend()
    if name not in BACKENDS:
        raise ValueError(f"POLYREPRO_LOSSES_BACKEND must be one of {BACKENDS}, got {name!r}")
    if name != "triton" or torch.compiler.is_compiling():
        return False
    return logits.dim() == 2 and logits.shape[1] > 0 and logits.dtype != torch.float64
