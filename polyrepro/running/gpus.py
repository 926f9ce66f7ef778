"""Which GPUs this machine has, and what each of their names means.

CUDA is not initialised to find out: a process that has done so cannot be given other devices.
"""

import itertools
import os
import re
import subprocess
import sys
from dataclasses import dataclass

LINE = re.compile(
    r"GPU (?P<index>\d+):.*\(UUID: (?P<gpu>GPU-[^)]+)\)|\s+MIG .*\(UUID: (?P<mig>.+)\)"
)
"""What `nvidia-smi -L` writes: a line per GPU, and below it one per instance it is divided into."""

QUESTION = """
import torch
for index in range(torch.cuda.device_count()):
    try:
        print(index, f"GPU-{torch.cuda.get_device_properties(index).uuid}")
    except (RuntimeError, AttributeError):  # in use by a process that shares it with no other
        print(index)
"""
"""What torch knows of the devices. Finding out initialises CUDA, so a separate process does it."""


@dataclass(frozen=True)
class Gpus:
    """The GPUs of a machine.

    Attributes:
        names: one per device that can be used, in the order of `nvidia-smi`: the index of a GPU,
            or the UUID of an instance of a divided one.
        uuids: index to UUID, as far as they are known.
        instances: UUIDs of instances of divided GPUs.
    """

    names: tuple[str, ...]
    uuids: dict[str, str]
    instances: tuple[str, ...] = ()

    def identify(self, name: str) -> str:
        """One and the same text for all names of a device.

        Args:
            name: as `CUDA_VISIBLE_DEVICES` takes it: an index, a UUID, or the beginning of one
                that no other begins with.
        """
        if name in self.uuids:
            return self.uuids[name]
        known = (*self.uuids.values(), *self.instances)
        matches = [uuid for uuid in known if uuid.lower().startswith(name.lower())]
        return matches[0] if len(matches) == 1 else name


def installed_gpus() -> Gpus:
    """All GPUs of this machine, whatever `CUDA_VISIBLE_DEVICES` says."""
    listing = _output(["nvidia-smi", "-L"])
    if listing is None:
        # Not NVIDIA's, or a container without the tool; torch may know.
        answer = _output([sys.executable, "-c", QUESTION]) or ""
        known = [line.partition(" ") for line in answer.splitlines()]
        known_uuids = {index: uuid for index, _, uuid in known if uuid}
        return Gpus(tuple(index for index, _, _ in known), known_uuids)
    names: list[str] = []
    uuids: dict[str, str] = {}
    instances: list[str] = []
    for match in filter(None, map(LINE.match, listing.splitlines())):
        if match["gpu"]:
            index = match["index"]
            uuids[index] = match["gpu"]
            names.append(index)
        else:
            instances.append(match["mig"])
            names = [name for name in names if name != index]  # not as a whole any more
            names.append(match["mig"])
    return Gpus(tuple(names), uuids, tuple(instances))


def can_be_shared() -> bool:
    """Whether a GPU takes several processes at once: not in the exclusive mode of some clusters."""
    modes = _output(["nvidia-smi", "--query-gpu=compute_mode", "--format=csv,noheader"])
    return modes is None or set(modes.split()) <= {"Default"}


def visible_devices(gpus: Gpus) -> list[str]:
    """The devices that this process may use, by the names that `CUDA_VISIBLE_DEVICES` takes."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return list(gpus.names)
    # CUDA reads up to the first name that is none.
    names = itertools.takewhile(lambda name: name != "-1", map(str.strip, allowed.split(",")))
    return [name for name in names if name]


def _output(command: list[str]) -> str | None:
    environment = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    # torch then counts as nvidia-smi does, and as the processes will that are given devices.
    environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=True, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
