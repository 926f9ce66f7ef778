"""Names of GPUs, from what `nvidia-smi -L` writes; no GPU is needed."""

import subprocess
import sys

import pytest

from polyrepro.running import gpus
from polyrepro.running.gpus import Gpus, installed_gpus, visible_devices

A, B = "GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", "GPU-c6a3f1d0-0000-1111-2222-333344445555"
M, N = "MIG-28f1c2ab-1234-5678-9abc-def012345678", "MIG-GPU-c6a3f1d0-0000/3/0"
WHOLE = f"GPU 0: NVIDIA H100 80GB HBM3 (UUID: {A})\nGPU 1: NVIDIA H100 80GB HBM3 (UUID: {B})\n"
DIVIDED = (
    WHOLE + f"  MIG 1g.10gb     Device  0: (UUID: {M})\n  MIG 1g.10gb     Device  1: (UUID: {N})\n"
)


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Puts a tool of this name first in the path, with this output and exit status."""

    def install(output: str, status: int = 0) -> None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(
            f"#!/bin/sh\n[ \"$*\" = -L ] || exit 9\ncat <<'.'\n{output}.\nexit {status}\n"
        )
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


def test_each_gpu_has_an_index_and_a_uuid(nvidia_smi):
    nvidia_smi(WHOLE)
    assert installed_gpus() == Gpus(("0", "1"), {"0": A, "1": B})


def test_a_divided_gpu_is_used_by_its_instances(nvidia_smi):
    nvidia_smi(DIVIDED)
    assert installed_gpus() == Gpus(("0", M, N), {"0": A, "1": B}, (M, N))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0", A),
        ("1", B),
        (A, A),
        ("GPU-5d5b", A),
        ("gpu-5d5b", A),
        (M, M),
        ("MIG-28f1", M),
        (N, N),
        ("GPU-", "GPU-"),  # of either
        ("7", "7"),
        ("GPU-unknown", "GPU-unknown"),
    ],
)
def test_all_names_of_a_device_are_one(nvidia_smi, name, expected):
    nvidia_smi(DIVIDED)
    assert installed_gpus().identify(name) == expected


@pytest.mark.parametrize("status", [0, 18])
def test_without_an_answer_torch_is_the_one_to_say_in_another_process(
    nvidia_smi, monkeypatch, status
):
    """As with another driver version, or on a machine without NVIDIA's tools."""
    if status:
        nvidia_smi("Failed to initialize NVML: Driver/library version mismatch\n", status)
    else:
        monkeypatch.setenv("PATH", "/nowhere")
    answer = f"print('0 {A}'); print('1 {B}'); print('2')"
    monkeypatch.setattr(gpus, "QUESTION", answer)
    found = installed_gpus()
    assert found == Gpus(("0", "1", "2"), {"0": A, "1": B})
    # Two jobs that name one device in different ways get one lease.
    assert found.identify("1") == found.identify(B) == found.identify(B[:12])


def test_torch_is_asked_what_it_can_answer(tmp_path, monkeypatch):
    """A torch with two devices, of which one is held by another process."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("")
    (tmp_path / "torch" / "cuda.py").write_text(
        "from types import SimpleNamespace\n"
        "def device_count(): return 2\n"
        "def get_device_properties(index):\n"
        "    if index: raise RuntimeError('all CUDA-capable devices are busy')\n"
        f"    return SimpleNamespace(uuid='{A.removeprefix('GPU-')}')\n"
    )
    monkeypatch.setattr(gpus, "QUESTION", "import torch.cuda" + gpus.QUESTION)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")
    assert installed_gpus() == Gpus(("0", "1"), {"0": A})


def test_torch_counts_as_nvidia_smi_does(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    monkeypatch.setattr(gpus, "QUESTION", "import os; print(os.environ['CUDA_DEVICE_ORDER'])")
    assert installed_gpus().names == ("PCI_BUS_ID",)


def test_no_device_is_hidden_from_the_question_and_none_is_opened_here(nvidia_smi, monkeypatch):
    nvidia_smi("", 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(
        gpus, "QUESTION", "import os; print(2 - ('CUDA_VISIBLE_DEVICES' in os.environ))"
    )
    assert installed_gpus().names == ("2",)
    code = (
        "import sys, polyrepro.running.gpus as g; g.installed_gpus(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        ("3,GPU-5a", ["3", "GPU-5a"]),
        (" 0, 1 ", ["0", "1"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
        (None, ["0", "1"]),
    ],
)
def test_only_devices_that_the_user_allows_are_used(monkeypatch, allowed, expected):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if allowed is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
    assert visible_devices(Gpus(("0", "1"), {})) == expected
