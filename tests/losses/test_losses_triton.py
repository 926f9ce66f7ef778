"""The switch between torch and Triton; the kernels themselves run in a process of their own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from polyrepro.losses import get_backend, poly_cross_entropy, set_backend


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
def test_kernels_in_the_interpreter():
    cases = Path(__file__).with_name("losses_triton_cases.py")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cases],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_importing_and_using_the_losses_on_the_cpu_leaves_triton_alone():
    code = (
        "import sys, torch; before = 'triton' in sys.modules\n"
        "from polyrepro.losses import poly_cross_entropy\n"
        "poly_cross_entropy(torch.zeros(2, 3), torch.tensor([0, 1]), 1.0)\n"
        "assert before or 'triton' not in sys.modules\n"
        "assert 'polyrepro.losses.triton_cross_entropy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_the_switch():
    assert get_backend() == "auto"
    logits, index = torch.zeros(2, 3), torch.tensor([0, 1])
    try:
        set_backend("torch")
        assert get_backend() == "torch"
        poly_cross_entropy(logits, index, 1.0)
        with pytest.raises(ValueError, match=r"backend must be one of .*'triton'.*got 'cuda'"):
            set_backend("cuda")
    finally:
        set_backend("auto")
