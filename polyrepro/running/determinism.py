"""How a GPU computes, set for one run: the same bits every time or not, and how many of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from polyrepro.errors import PolyreproError
from polyrepro.running.execution import Execution


class NotDeterministicError(PolyreproError):
    """A run uses an operator that cannot give the same bits every time."""


@contextmanager
def determinism(execution: Execution, precision: str) -> Iterator[None]:
    """Inside, torch is as execution and recipe say; afterwards it is as it was before.

    For a GPU only: on a CPU all that is used here gives the same bits anyway.

    Args:
        precision: of the recipe. Only `tf32` lets convolutions drop 13 bits of float32, which torch
            does by default; matrix products keep them, as by default.

    Raises:
        NotDeterministicError: if an operator inside has no deterministic form.
    """
    if execution.processes.device.type != "cuda":
        yield
        return
    deterministic = execution.deterministic
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
    )
    if deterministic:
        # Read by cuBLAS when it is first used, which is later than this.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        yield
    except RuntimeError as error:
        if "does not have a deterministic implementation" in str(error):  # torch has no own type
            raise NotDeterministicError(
                f"the operator {str(error).split()[0]} gives other bits every time on this device. "
                "To train without the promise of the same bits, set `deterministic: false` in the "
                "configuration"
            ) from error
        raise
    finally:
        enabled, warn_only, benchmark, tf32_convolutions, tf32_products = before
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
        torch.backends.cudnn.allow_tf32 = tf32_convolutions
        torch.backends.cuda.matmul.allow_tf32 = tf32_products
