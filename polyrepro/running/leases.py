"""Leases on GPUs: of several jobs on one machine, each gets devices that no other one uses.

Snakemake counts GPUs but assigns none. A lease is a lock on a file per device. The kernel gives it
back when the processes that hold it have ended, however they end; a file that is left over holds
nothing. The launcher of several processes inherits the lease, so a device is not lent again while
it still stops them.

The folder of the files belongs to all users of the machine, so nothing in it is trusted: no link
is followed, and nothing that exists is written or changed.
"""

import fcntl
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from polyrepro.errors import DeviceError

FOLDER = Path(tempfile.gettempdir()) / "polyrepro-gpus"
"""Shared by all users of a machine."""

SHARED_FOLDER, SHARED_FILE = 0o1777, 0o666
"""Everybody may add a file to the folder, but remove only their own."""


@contextmanager
def leased(
    count: int,
    devices: list[str],
    patience: float = 3600.0,
    identify: Callable[[str], str] = str,
) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """Hold this many of the devices; waits while too few are free.

    Args:
        devices: names as `CUDA_VISIBLE_DEVICES` takes them.
        patience: seconds to wait.
        identify: gives all names of one device the same text.

    Raises:
        DeviceError: if there are not so many devices, not so many became free in time, or the
            folder of the leases cannot be used.

    Yields:
        The devices, and the open files that hold them, which child processes can inherit.
    """
    names: dict[str, str] = {}
    for name in devices:
        names.setdefault(identify(name), name)
    listed = ", ".join(names.values()) or "none"
    if count > len(names):
        raise DeviceError(
            f"the run needs {count} GPUs, but this machine has {len(names)} ({listed}); lower "
            "processes_per_run, or set `device: cpu`"
        )
    deadline, announced = time.monotonic() + patience, False
    while len(held := _lock_some(count, names)) < count:
        _release(held)
        if time.monotonic() > deadline:
            raise DeviceError(
                f"no {count} of the GPUs {listed} became free within {patience:g} s; "
                f"`fuser {FOLDER}/*` shows which processes hold them"
            )
        if not announced:
            print(f"waiting for {count} free GPU(s) of {listed}", file=sys.stderr)
            announced = True
        time.sleep(min(1.0, max(0.0, deadline - time.monotonic())) + 0.01)
    try:
        yield list(held), tuple(held.values())
    finally:
        _release(held)


def _lock_some(count: int, names: dict[str, str]) -> dict[str, int]:
    """Up to `count` free devices, by name, with the open files that hold them."""
    held: dict[str, int] = {}
    folder = _open_folder()
    try:
        for key, name in names.items():
            if len(held) == count:
                break
            handle = _lock(folder, f"{key.replace('/', '_')}.lock")
            if handle is not None:
                held[name] = handle
    except BaseException:
        _release(held)
        raise
    finally:
        os.close(folder)
    return held


def _open_folder() -> int:
    """The folder of the leases, made if it is not there.

    Raises:
        DeviceError: if something else has its name, or it is not shared.
    """
    with _no_umask(), suppress(FileExistsError):
        os.mkdir(FOLDER, SHARED_FOLDER)
    try:
        folder = os.open(FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise DeviceError(_unusable(f"it is no folder, or a link ({error.strerror})")) from None
    status = os.fstat(folder)
    if stat.S_IMODE(status.st_mode) & SHARED_FOLDER != SHARED_FOLDER:
        if status.st_uid != os.geteuid():
            os.close(folder)
            raise DeviceError(
                _unusable(f"it belongs to user {status.st_uid}, who does not share it (mode 1777)")
            )
        os.fchmod(folder, SHARED_FOLDER)  # made by an earlier version
    return folder


def _lock(folder: int, name: str) -> int | None:
    """An open, locked file, or None if the device is in use.

    Raises:
        DeviceError: if something else than a file has its name.
    """
    handle = _open_file(folder, name)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise DeviceError(_unusable(f"{name} in it is no file"))
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return handle


def _open_file(folder: int, name: str) -> int:
    try:
        with _no_umask():
            new = os.O_RDONLY | os.O_CREAT | os.O_EXCL
            return os.open(name, new, SHARED_FILE, dir_fd=folder)
    except FileExistsError:
        # Without O_CREAT, which Linux refuses here for files of other users (fs.protected_regular).
        existing = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(name, existing, dir_fd=folder)
    except OSError as error:
        raise DeviceError(_unusable(f"{name} in it cannot be opened ({error.strerror})")) from None


def _unusable(reason: str) -> str:
    return (
        f"the folder {FOLDER}, by which jobs share the GPUs of this machine, cannot be used: "
        f"{reason}. Have it removed by its owner, or set TMPDIR to a folder that all jobs share"
    )


@contextmanager
def _no_umask() -> Iterator[None]:
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def _release(held: dict[str, int]) -> None:
    for handle in held.values():
        os.close(handle)
