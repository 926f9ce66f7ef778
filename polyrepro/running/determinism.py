"""Whether a GPU computes the same bits every time, or as fast as it can: set for one run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from polyrepro.errors import PolyreproError
from polyrepro.running.execution import Execution


class NotDeterministicError(PolyreproError):
    """A run uses an operator that cannot give the same bits every time."""


@contextmanager
def determinism(execution: Execution) -> Iterator[None]:
    """Inside, torch is as `execution` says; afterwards it is as it was before.

    For a GPU only: on a CPU all that is used here gives the same bits anyway.

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
    )
    if deterministic:
        # Read by cuBLAS when it is first used, which is later than this.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    torch.backends.cudnn.benchmark = not deterministic
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
        enabled, warn_only, benchmark = before
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark
