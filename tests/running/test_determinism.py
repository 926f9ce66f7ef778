"""Deterministic algorithms: on for one run on a GPU, and as they were before afterwards."""

from types import SimpleNamespace

import pytest
import torch

from polyrepro.recipes import RECIPES
from polyrepro.running import jobs
from polyrepro.running.determinism import NotDeterministicError, determinism
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import Variant


def on(device: str, deterministic: bool) -> Execution:
    """A device need not be there to be named."""
    return Execution(Processes(torch.device(device)), deterministic=deterministic)


def switched_on() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark


@pytest.fixture(autouse=True)
def _as_it_was():
    before = switched_on()
    yield
    assert switched_on() == before
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("deterministic", [True, False])
def test_a_gpu_is_as_the_run_wants_it_and_then_as_before(deterministic):
    with determinism(on("cuda", deterministic)):
        assert switched_on() == (deterministic, not deterministic)


def test_a_run_that_fails_leaves_nothing_switched_on():
    with pytest.raises(ZeroDivisionError), determinism(on("cuda", True)):
        raise ZeroDivisionError


def test_a_cpu_is_left_alone():
    with determinism(on("cpu", True)):
        assert switched_on() == (False, torch.backends.cudnn.benchmark)


def test_an_operator_without_a_deterministic_form_says_how_to_go_on():
    with (
        pytest.raises(
            NotDeterministicError, match=r"operator put_ gives .* `deterministic: false`"
        ),
        determinism(on("cuda", True)),
    ):
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2), accumulate=False)
    with pytest.raises(RuntimeError, match="another"), determinism(on("cuda", True)):
        raise RuntimeError("another error")


@pytest.mark.parametrize("recipe", ["fashion_mnist", "mask_rcnn_composites"])
def test_both_trainers_run_inside(tmp_path, monkeypatch, recipe):
    seen = []

    class Trainer:
        @staticmethod
        def train_run(*_):
            seen.append(switched_on())
            raise KeyboardInterrupt  # nothing is trained here

    monkeypatch.setattr(jobs, "import_module", lambda _: Trainer)
    run = Run(recipe=RECIPES[recipe], variant=Variant(name="variant"), seed=0)
    data = SimpleNamespace(citation={"dataset": "none", "splits": {}})
    with pytest.raises(KeyboardInterrupt):
        jobs.train_and_record(tmp_path, run, data, on("cuda", True))
    assert seen == [(True, False)]
