"""What a result was measured with: hardware, versions, source."""

import functools
import hashlib
import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path

import torch

PACKAGE = Path(__file__).parents[1]
TRAINING_SOURCE = ("losses", "data", "recipes", "classification", "detection", "segmentation")
VERSIONS_OF = ("torch", "torchvision", "timm", "numpy")


@functools.cache
def describe_environment() -> dict:
    """Hardware, versions, commit and a checksum of the source that decides the numbers."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "versions": {name: importlib.metadata.version(name) for name in VERSIONS_OF},
        "commit": _commit(),
        "training_source_sha256": _source_checksum(),
    }


def device_name(device: torch.device) -> str:
    """The name of a GPU, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or "unknown"


def _commit() -> str:
    """The commit of the checkout, marked `-dirty` if files differ from it; else `unknown`."""
    command = ["git", "-C", str(PACKAGE), "describe", "--always", "--dirty", "--abbrev=12"]
    command += ["--exclude=*"]  # a commit, never a tag
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def series_source_checksum(series: str) -> str | None:
    """Checksum of the file of a series from outside the package; None for one of the package."""
    module, colon, _ = series.partition(":")
    file = sys.modules[module].__file__ if colon else None
    return None if file is None else hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _source_checksum() -> str:
    digest = hashlib.sha256()
    for folder in TRAINING_SOURCE:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            digest.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
