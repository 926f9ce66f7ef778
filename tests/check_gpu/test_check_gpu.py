"""`polyrepro check-gpu`, tried on the CPU with tiny sizes; what only a GPU can show is skipped."""

import os
import re
import subprocess

import pytest
import torch
from forked_commands import ForkedCommand
from torch.utils._python_dispatch import TorchDispatchMode

from polyrepro import check_gpu
from polyrepro.check_gpu import classifiers, cli_checks, detectors, loss_accuracy, speed
from polyrepro.check_gpu.outcome import CheckFailedError, SkippedError
from polyrepro.check_gpu.part_process import PartProcess, Result
from polyrepro.check_gpu.parts import PARTS, Part
from polyrepro.cli import main
from polyrepro.estimate import GIVEN, read_throughputs
from polyrepro.estimate.throughputs import rate_of
from polyrepro.recipes import RECIPES
from polyrepro.running import gpus, leases
from polyrepro.running.gpus import Gpus
from polyrepro.running.launch import gpus_given

CPU = torch.device("cpu")


def test_without_a_gpu_it_fails_in_one_line_with_the_reason(monkeypatch):
    monkeypatch.setattr(check_gpu, "installed_gpus", lambda: Gpus((), {}))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(SystemExit, match=r"^polyrepro: error: check-gpu: there is no GPU here .*$"):
        main(["check-gpu"])


@pytest.mark.parametrize("count", [1, 2, 8])
def test_all_parts_are_expected_to_end_well_before_the_three_minutes_are_over(count):
    assert check_gpu.expected_seconds(list(PARTS.values()), count) <= 155


def test_parts_are_expected_to_run_side_by_side_but_for_measurements():
    parts = [Part("a", "", 30, str), Part("b", "", 20, str), Part("c", "", 9, str)]
    alone = Part("d", "", 40, str, alone=True)
    needs_two = Part("e", "", 50, str, alone=True, gpus=2)
    assert check_gpu.expected_seconds([*parts, alone, needs_two], 1) == 30 + 40
    assert check_gpu.expected_seconds([*parts, alone, needs_two], 2) == 30 + 40 + 50


def test_two_parts_run_at_once_and_a_measurement_alone(monkeypatch):
    running, seen, given = set(), {}, {}

    class Instant:
        def __init__(self, part, device, gpus):
            self.part, self.gpus, self._polls = part, gpus, 2
            given[part.name] = gpus
            running.add(part.name)
            seen[part.name] = set(running)

        def result(self, time_is_up=False):
            self._polls -= 1
            if self._polls:
                return None
            running.remove(self.part.name)
            return Result(self.part.name, "passed", 1.0, "fine")

        def stop(self):
            pass

    monkeypatch.setattr(check_gpu, "PartProcess", Instant)
    parts = [Part(name, "", 1, str, alone=name in "de") for name in "abcde"]
    results = check_gpu.run_parts(parts, "cuda", minutes=1, gpus=["3", "5"])
    assert [result.part for result in results] == list("abcde")
    assert seen["b"] == {"a", "b"} and seen["d"] == {"d"} and seen["e"] == {"e"}
    assert given["a"] != given["b"] and given["c"] in (["3"], ["5"])
    assert given["d"] == given["e"] == ["3", "5"]


def test_a_part_in_a_process_of_its_own_passes_and_one_without_time_fails(capfd):
    with pytest.raises(SystemExit, match="check-gpu: not finished in time: resnet50"):
        # The second part gets what the first one leaves, which is nothing.
        main(["check-gpu", "--device", "cpu", "--minutes", "0", "--parts", "resnet50"])
    main(["check-gpu", "--device", "cpu", "--minutes", "9", "--parts", "losses"])
    shown = capfd.readouterr().out
    assert re.search(r"1 part on cpu, done at [\d:]{8} at the latest; a GPU may need 20 s", shown)
    assert "[1/1] losses: value and gradient of every form of loss against float64" in shown
    assert "resnet50  no time      0 s  none was left; give it more with --minutes" in shown
    assert re.search(r"losses  passed   +\d+ s  24 cases, the worst at \d+ % of the toler", shown)


def test_a_part_that_hangs_is_stopped_and_one_that_fails_gives_its_last_words(capfd):
    stopped = PartProcess(PARTS["losses"], "cpu").result(time_is_up=True)
    assert stopped.outcome == "no time"
    assert re.match(r"stopped after \d+ s; give it more with --minutes", stopped.text)
    (failed,) = check_gpu.run_parts([Part("nonsense", "not there", 1, str)], "cpu", minutes=9)
    assert failed.outcome == "failed" and "invalid choice: 'nonsense'" in failed.text
    assert "      | polyrepro check-gpu: error: argument --only" in capfd.readouterr().out


@pytest.mark.parametrize("names", [["0"], None])
def test_a_part_gets_its_gpus_or_leases_them_also_where_slurm_has_given_some(names, monkeypatch):
    given = {}

    class Started:
        pid, wait, poll = 0, staticmethod(lambda: 0), staticmethod(lambda: 0)

        def __init__(self, command, env, **_):
            given.update(env)

    monkeypatch.setattr(subprocess, "Popen", Started)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    PartProcess(PARTS["losses"], "cuda", names)
    assert given["CUDA_VISIBLE_DEVICES"] == ("0" if names else "0,1")
    monkeypatch.undo()
    monkeypatch.setattr(os, "environ", given)
    assert gpus_given() == bool(names)


@pytest.mark.parametrize(
    ("modes", "names"), [("Default\nDefault\n", ["4", "5"]), ("Exclusive_Process\n", None)]
)
def test_parts_share_gpus_that_take_several_processes(modes, names, monkeypatch, tmp_path):
    listing = "".join(f"GPU {n}: H100 (UUID: GPU-{n})\n" for n in range(8))
    monkeypatch.setattr(gpus, "_output", lambda command: listing if "-L" in command else modes)
    monkeypatch.setattr(leases, "FOLDER", tmp_path / "leases")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    with check_gpu._gpus("cuda") as found:
        assert found == names
        assert len(list(tmp_path.glob("leases/*.lock"))) == len(names or [])


def test_a_loss_that_is_off_by_a_little_is_named(monkeypatch):
    assert loss_accuracy.check_losses(CPU).startswith("24 cases")
    right = loss_accuracy.poly_binary_cross_entropy
    monkeypatch.setattr(
        loss_accuracy, "poly_binary_cross_entropy", lambda *a, **k: right(*a, **k) * (1 + 1e-4)
    )
    with pytest.raises(
        CheckFailedError, match=r"poly_binary_cross_entropy\(.*64 x 10 torch\.float"
    ):
        loss_accuracy.check_losses(CPU)


def test_classifiers_and_resnet50_are_trained(monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "CHECKED", tmp_path / "speeds.csv")
    assert "the same bits" in classifiers.check_classifiers(CPU)
    assert "images of 32 px per second (float32); not kept" in speed.check_resnet50(CPU)
    assert list(tmp_path.iterdir()) == []


NOT_DETERMINISTIC = re.compile(
    "adaptive_|avg_pool3d|max_unpool|fractional|ctc|embedding_bag|^put_$|histc|median|kthvalue|"
    "nll_loss2d|reflection_pad|upsample_(linear|bilinear|bicubic|trilinear)|grid_sampler|mode$"
)
"""Operators that on a GPU stop a run with deterministic algorithms, as torch documents them."""


class Operators(TorchDispatchMode):
    """Inside, notes the names of all operators, those of backward passes included."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function.__name__.split(".")[0])
        return function(*args, **(kwargs or {}))


def test_mask_rcnn_for_coco_is_trained_with_the_hook_and_could_be_deterministic(
    monkeypatch, tmp_path
):
    pytest.importorskip("mmdet", reason="MMDetection is not installed")
    monkeypatch.setattr(speed, "CHECKED", tmp_path / "speeds.csv")
    with Operators() as operators:
        found = detectors.check_mask_rcnn(CPU)
    assert "upsample_nearest2d_backward" in operators.names
    assert not list(filter(NOT_DETERMINISTIC.search, operators.names))
    assert re.match(r"PolyCrossEntropyLoss in the box head; \S+ images of 96 x 64 px per s", found)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (torch.tensor(float("nan")), "Mask R-CNN: loss_cls is nan at step 1"),
        (torch.OutOfMemoryError("CUDA"), r"16 images .* does not fit .* larger processes_per_run"),
    ],
)
def test_a_mask_rcnn_that_cannot_be_trained_is_a_failure(loss, message):
    pytest.importorskip("mmdet", reason="MMDetection is not installed")

    class Broken(torch.nn.Linear):
        def train_step(self, images, optimizer):
            if isinstance(loss, Exception):
                raise loss
            return {"loss_cls": loss}

    recipe = RECIPES["mask_rcnn_coco_short"].model_copy(update={"scale": (64, 32)})
    with pytest.raises(CheckFailedError, match=message):
        detectors._train(Broken(1, 1), recipe, CPU, steps=3)


def test_a_measured_speed_is_what_the_estimate_takes(monkeypatch, tmp_path):
    path = tmp_path / "speeds.csv"
    monkeypatch.setattr(speed, "CHECKED", path)
    monkeypatch.setattr(speed, "device_name", lambda device: "some GPU")
    for name, found in (("mask_rcnn_coco_short", 40.0), ("resnet50_imagenet1k", 1500.0)):
        recipe = RECIPES[name]
        said = speed.keep_speed("fast", recipe, torch.device("cuda"), found)
        assert said == f"fast; `polyrepro estimate` takes it from {path}"
        rate = rate_of(recipe, "gpu", read_throughputs(GIVEN, measured=(path,)))
        assert (rate.images_per_second, rate.origin.status) == (found, "measured")


def test_a_repeated_run_with_other_bits_is_a_failure(monkeypatch):
    train, losses_seen = classifiers.train, iter((1.0, 2.0, 1.5))

    def other_every_time(*arguments):
        trained = train(*arguments)
        trained.history[-1]["loss"] = next(losses_seen)
        return trained

    monkeypatch.setattr(classifiers, "train", other_every_time)
    with pytest.raises(CheckFailedError, match=r"ends with loss 1\.5 instead of 1\.0"):
        classifiers._check_shared_network(CPU)


def test_a_training_is_stopped_resumed_and_compared(tmp_path, monkeypatch):
    started, popen = [], subprocess.Popen

    def start(command, env):
        """The first as a user would, which takes longer."""
        started.append(command)
        return popen(command, env=env) if len(started) == 1 else ForkedCommand(*command[3:])

    monkeypatch.setattr(subprocess, "Popen", start)
    assert "the same bits as undisturbed" in cli_checks.check_interruption("cpu", tmp_path)


def test_one_gpu_is_too_few_for_two_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(cli_checks, "installed_gpus", lambda: Gpus(("0",), {}))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(SkippedError, match="needs two GPUs, this machine has 1"):
        cli_checks.check_two_processes("cuda", tmp_path)


def test_a_command_that_fails_is_named(tmp_path):
    words = ["data", "verify", "nothing", "--output", str(tmp_path)]
    with pytest.raises(CheckFailedError, match=r"`polyrepro data verify nothing .*` ended with 1"):
        cli_checks._run(words)
