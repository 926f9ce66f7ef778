"""Deterministic algorithms: on for one run on a GPU, and as they were before afterwards."""

from types import SimpleNamespace

import pytest
import torch

from polyrepro.recipes import RECIPES
from polyrepro.running import jobs
from polyrepro.running.determinism import NotDeterministicError, determinism
from polyrepro.running.execution import Execution
from polyrepro.running.gpu_memory import DeviceMemoryError, gpu_memory
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
    with determinism(on("cuda", deterministic), "float32"):
        assert switched_on() == (deterministic, not deterministic)


@pytest.mark.parametrize(
    ("name", "dropped"),
    [("fashion_mnist", False), ("resnet50_imagenet1k", False), ("mask_rcnn_composites", True)],
)
def test_only_recipes_with_tf32_drop_bits_of_float32(name, dropped):
    def switches():
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    before = switches()
    with determinism(on("cuda", True), RECIPES[name].precision):
        assert switches() == (dropped, False)
    assert switches() == before


def test_a_gpu_that_runs_out_of_memory_is_told_from_other_errors():
    text = "CUDA out of memory. Tried to allocate 2 GiB. Of the allocated memory 1 GiB is reserved"
    for name, advice in (
        ("resnet50_imagenet1k", r"fewer images than 128: set `overrides: .* batch size 1024 "),
        ("mask_rcnn_composites", r"4 images on 1 GPU\(s\): set `processes_per_run` to a larger"),
    ):
        run = Run(recipe=RECIPES[name], variant=Variant(name="variant"), seed=0)
        with (
            pytest.raises(DeviceMemoryError, match=rf"GPU \(CUDA out .* 2 GiB\)\. .*{advice}"),
            gpu_memory(run, Processes(torch.device("cuda"))),
        ):
            raise torch.OutOfMemoryError(text)
        with pytest.raises(ZeroDivisionError), gpu_memory(run, Processes(torch.device("cpu"))):
            raise ZeroDivisionError


def test_a_run_that_fails_leaves_nothing_switched_on():
    with pytest.raises(ZeroDivisionError), determinism(on("cuda", True), "float32"):
        raise ZeroDivisionError


def test_a_cpu_is_left_alone():
    with determinism(on("cpu", True), "float32"):
        assert switched_on() == (False, torch.backends.cudnn.benchmark)


def test_an_operator_without_a_deterministic_form_says_how_to_go_on():
    with (
        pytest.raises(
            NotDeterministicError, match=r"operator put_ gives .* `deterministic: false`"
        ),
        determinism(on("cuda", True), "float32"),
    ):
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2), accumulate=False)
    with pytest.raises(RuntimeError, match="another"), determinism(on("cuda", True), "float32"):
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
