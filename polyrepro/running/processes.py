"""The processes that train one run together, one per device; usually a single one.

Several are started by `polyrepro.running.launch`. What they have to agree on besides gradients
(stopping, saving, sums of metrics) goes through gloo on the CPU, so that nothing here waits for a
GPU.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from polyrepro.errors import DeviceError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Processes:
    """This process among those of its run.

    Attributes:
        device: where this process computes.
        rank: its number, from 0; rank 0 writes files and prints.
        count: how many there are.
        control: the gloo group; None if this process is alone.
    """

    device: torch.device
    rank: int = 0
    count: int = 1
    control: dist.ProcessGroup | None = None

    @property
    def first(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether any process has raised it; all processes have to call."""
        if self.control is None:
            return flags
        raised = torch.tensor(flags, dtype=torch.uint8)
        dist.all_reduce(raised, dist.ReduceOp.MAX, group=self.control)
        return tuple(bool(flag) for flag in raised)

    def gathered(self, value: Tensor) -> Tensor:
        """The values of all processes, (count, ...), on the CPU; all processes get them."""
        value = value.detach().cpu()
        if self.control is None:
            return value[None]
        values = [torch.empty_like(value) for _ in range(self.count)]
        dist.all_gather(values, value, group=self.control)
        return torch.stack(values)

    def from_first(self, value: Value) -> Value:
        """Rank 0's value, in every process."""
        if self.control is None:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, group=self.control)
        return values[0]

    def sum_(self, tensors: list[Tensor]) -> None:
        """Replace each tensor, all of one type and on the device, by its sum over the processes."""
        if self.control is None:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))


@contextmanager
def joined(device: str, timeout: float) -> Iterator[Processes]:
    """This process, connected with the others of its run if there are any.

    Args:
        device: `cpu` or `cuda`.
        timeout: seconds after which a process that waits for another one gives up.

    Raises:
        DeviceError: if there is no such device.
    """
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    chosen = _device(device, local_rank)
    if "WORLD_SIZE" not in os.environ:
        yield Processes(chosen)
        return
    patience = timedelta(seconds=timeout)
    backend = "nccl" if chosen.type == "cuda" else "gloo"
    dist.init_process_group(
        backend, timeout=patience, device_id=chosen if backend == "nccl" else None
    )
    try:
        control = dist.new_group(backend="gloo", timeout=patience)
        assert isinstance(control, dist.ProcessGroup)  # every rank is a member
        yield Processes(chosen, dist.get_rank(), dist.get_world_size(), control)
    finally:
        dist.destroy_process_group()


def _device(name: str, local_rank: int) -> torch.device:
    if name == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise DeviceError(
            "the configuration requests GPUs, but torch finds none here; set `device: cpu`, or see "
            "why with: python -m torch.utils.collect_env"
        )
    if local_rank >= torch.cuda.device_count():
        raise DeviceError(
            f"process {local_rank} has no GPU: {torch.cuda.device_count()} are visible "
            f"(CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES')}); lower "
            "processes_per_run"
        )
    device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device
