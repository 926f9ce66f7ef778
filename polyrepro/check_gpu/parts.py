"""The parts of the check, each in a process of its own."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from polyrepro.check_gpu.cli_checks import check_detector, check_interruption, check_two_processes


@dataclass(frozen=True)
class Part:
    """One thing that has to work.

    Attributes:
        purpose: what it does, for the person who waits.
        seconds: a guess of how long it takes on a data-centre GPU; none has been measured.
        check: takes `cpu` or `cuda`; returns what it found, raises what it did not like.
        alone: no other part may run at the same time, because this one measures how fast the
            machine is, or needs all of its GPUs.
        gpus: with fewer it is skipped.
    """

    name: str
    purpose: str
    seconds: int
    check: Callable[[str], str]
    alone: bool = False
    gpus: int = 1


def _on_device(module: str, function: str) -> Callable[[str], str]:
    """A check in this process, which holds a lease on its GPU meanwhile."""

    def check(device: str) -> str:
        found = []

        from polyrepro.running.launch import start  # torch, which costs seconds
        from polyrepro.running.processes import joined

        def work() -> None:
            with joined(device, timeout=60) as processes:
                found.append(getattr(import_module(module), function)(processes.device))

        start(1, device, work)
        return found[0]

    return check


def _in_folder(function: Callable[[str, Path], str]) -> Callable[[str], str]:
    """A check that needs a folder for results; what it starts takes leases itself."""

    def check(device: str) -> str:
        with tempfile.TemporaryDirectory(prefix="polyrepro-check-") as folder:
            return function(device, Path(folder))

    return check


PARTS = {
    part.name: part
    for part in (
        Part(
            "losses",
            "value and gradient of every form of loss against float64",
            20,
            _on_device("polyrepro.check_gpu.loss_accuracy", "check_losses"),
        ),
        Part(
            "classifiers",
            "a few steps of small and large networks, replayed from CUDA graphs and not",
            25,
            _on_device("polyrepro.check_gpu.classifiers", "check_classifiers"),
        ),
        Part(
            "interruption",
            "a training stopped by SIGTERM, resumed, and compared",
            22,
            _in_folder(check_interruption),
        ),
        Part(
            "detector",
            "a light Mask R-CNN with the hook, as a command: trained and evaluated",
            25,
            _in_folder(check_detector),
        ),
        Part(
            "mask_rcnn",
            "Mask R-CNN for COCO with the hook; images per second",
            20,
            _on_device("polyrepro.check_gpu.detectors", "check_mask_rcnn"),
            alone=True,
        ),
        Part(
            "two_processes",
            "one run on two GPUs",
            25,
            _in_folder(check_two_processes),
            alone=True,
            gpus=2,
        ),
        Part(
            "resnet50",
            "ResNet-50 as its recipe says, compiled; images per second",
            55,
            _on_device("polyrepro.check_gpu.speed", "check_resnet50"),
            alone=True,
        ),
    )
}
"""In their order: those that may run side by side, then the others. The longest comes last."""
