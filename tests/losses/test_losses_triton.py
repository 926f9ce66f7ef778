"""The switch between torch and Triton; the kernels themselves run in a process of their own.

That process has TRITON_INTERPRET=1, which must be set before triton is imported. Every function of
its file is a test here.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from polyrepro.losses import get_backend, poly_cross_entropy, set_backend

CASES = Path(__file__).with_name("losses_triton_cases.py")
NAMES = re.findall(r"^def (test_\w+)", CASES.read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, list[tuple[str, str]]]:
    """By function, its cases and what went wrong in each, "" for nothing."""
    report = tmp_path_factory.mktemp("triton") / "losses_triton_cases.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", CASES]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    output = subprocess.run(
        [*command, f"--junitxml={report}"],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert report.exists(), output.stdout + output.stderr
    results: dict[str, list[tuple[str, str]]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        wrong = "".join(each.text or "" for each in case if each.tag in ("failure", "error"))
        results.setdefault(case.get("name").split("[")[0], []).append((case.get("name"), wrong))
    return results


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_kernels_in_the_interpreter(name, outcomes):
    assert outcomes[name]
    wrong = [f"{case}\n{text}" for case, text in outcomes[name] if text]
    assert not wrong, "\n".join(wrong)


def test_importing_and_using_the_losses_leaves_triton_alone():
    code = (
        "import sys, torch; before = 'triton' in sys.modules\n"
        "from polyrepro.losses import poly_cross_entropy\n"
        "poly_cross_entropy(torch.zeros(2, 3), torch.tensor([0, 1]), 1.0)\n"
        "assert before or 'triton' not in sys.modules\n"
        "assert 'polyrepro.losses.softmax_rows_triton' not in sys.modules"
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
