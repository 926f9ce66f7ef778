"""Leases on GPUs: of several jobs on one machine, each gets devices that no other one uses.

Snakemake counts GPUs but assigns none. A lease is a lock on a file per device. The kernel gives it
back when the processes that hold it have ended, however they end; a file that is left over holds
nothing. The launcher of several processes inherits the lease, so a device is not lent again while
it still stops them.
"""

import fcntl
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polyrepro.running.processes import DeviceError

FOLDER = Path(tempfile.gettempdir()) / "polyrepro-gpus"
"""Shared by all users of a machine."""


@contextmanager
def leased(
    count: int, devices: list[str], patience: float = 3600.0
) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """Hold this many of the devices; waits while too few are free.

    Args:
        devices: identifiers as `CUDA_VISIBLE_DEVICES` takes them.
        patience: seconds to wait.

    Raises:
        DeviceError: if there are not so many devices, or not so many became free in time.

    Yields:
        The devices, and the open files that hold them, which child processes can inherit.
    """
    if count > len(devices):
        raise DeviceError(
            f"the run needs {count} GPUs, but this machine has {len(devices)} "
            f"({', '.join(devices) or 'none'}); lower processes_per_run, or set `device: cpu`"
        )
    deadline, told = time.monotonic() + patience, False
    while True:
        held: dict[str, int] = {}
        for device in devices:
            handle = _lock(device)
            if handle is not None:
                held[device] = handle
            if len(held) == count:
                break
        if len(held) == count:
            break
        _release(held)
        if time.monotonic() > deadline:
            raise DeviceError(
                f"no {count} of the GPUs {', '.join(devices)} became free within {patience:g} s; "
                f"`fuser {FOLDER}/*` shows which processes hold them"
            )
        if not told:
            print(f"waiting for {count} free GPU(s) of {', '.join(devices)}", file=sys.stderr)
            told = True
        time.sleep(min(1.0, max(0.0, deadline - time.monotonic())) + 0.01)
    try:
        yield list(held), tuple(held.values())
    finally:
        _release(held)


def visible_devices() -> list[str]:
    """The devices that this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name]
    return [str(index) for index in range(torch.cuda.device_count())]


def _lock(device: str) -> int | None:
    """An open, locked file, or None if the device is in use."""
    FOLDER.mkdir(mode=0o777, exist_ok=True)
    path = FOLDER / f"{device.replace('/', '_')}.lock"
    created = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    if created:
        os.chmod(path, 0o666)  # for other users, whatever the umask says
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _release(held: dict[str, int]) -> None:
    for handle in held.values():
        os.close(handle)
