"""Interrupted training: what a killed, pre-empted or unlucky run leaves, and that it goes on."""

import dataclasses
import hashlib
import itertools
import json
import os
import pickle
import resource
import signal

import pytest
import small_trainings
import torch
from small_trainings import ALONE, HERE, RUN, STEPS, history, without_times

from polyrepro.classification import checkpoints, loop
from polyrepro.classification.checkpoints import CheckpointError
from polyrepro.classification.checkpoints import Checkpoints as CheckpointsOf
from polyrepro.classification.evaluation import Metrics
from polyrepro.classification.loop import train
from polyrepro.classification.prepare import prepare
from polyrepro.classification.state import TrainingState
from polyrepro.data import load
from polyrepro.losses import PolySeries
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import InterruptedTrainingError, Interruption
from polyrepro.running.jobs import train_and_record
from polyrepro.running.processes import Processes


@pytest.fixture(scope="module")
def data():
    return load("fashion_mnist")


def Checkpoints(folder, identity, **options):  # noqa: N802
    """The checkpoints of a process that is alone."""
    return CheckpointsOf(folder, identity, ALONE, **options)


class AtEveryStep(CheckpointsOf):
    """Checkpoints that are always due, and count themselves."""

    saved = 0
    due = True

    def save(self, state):
        self.saved += 1
        super().save(state)


def interrupted_at(data, folder, step, identity="x"):
    """Train RUN until a signal comes during `step`; leaves a checkpoint after it."""
    small_trainings.interrupted_at(RUN, data, step, Checkpoints(folder, identity))


@pytest.mark.parametrize("step", [1, 7, 10, 11, 29])
def test_a_resumed_run_ends_with_the_same_bits(data, tmp_path, step):
    """Inside an epoch, at its end, right after it, and one step before the end."""
    undisturbed = history(RUN, data)
    interrupted_at(data, tmp_path, step)
    assert history(RUN, data, HERE, Checkpoints(tmp_path, "x")) == undisturbed


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_run_stopped_while_it_is_evaluated_ends_with_the_same_bits(data, tmp_path, split):
    interruption = Interruption()
    evaluate = loop._Training._evaluate

    def signalled(self, which):
        if which == split:
            interruption.requested = signal.SIGTERM
        return evaluate(self, which)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Training, "_evaluate", signalled)
        with pytest.raises(InterruptedTrainingError, match="after step 10 on SIGTERM"):
            train(RUN, data, Execution(ALONE, interruption), Checkpoints(tmp_path, "x"))
    assert history(RUN, data, HERE, Checkpoints(tmp_path, "x")) == history(RUN, data)


def test_a_resume_that_forgot_the_momentum_would_be_noticed(data, tmp_path, monkeypatch):
    """The control of the test above: drop one tensor and the histories differ."""
    undisturbed = history(RUN, data)
    interrupted_at(data, tmp_path, 7)
    whole = TrainingState.load

    def without_momentum(self, tensors, numbers, processes):
        kept = {k: v for k, v in tensors.items() if not k.startswith("optimizer")}
        whole(self, kept, numbers, processes)

    monkeypatch.setattr(TrainingState, "load", without_momentum)
    assert history(RUN, data, HERE, Checkpoints(tmp_path, "x")) != undisturbed


def test_the_last_two_are_kept(data, tmp_path):
    frequent = AtEveryStep(tmp_path, "x", ALONE)
    train(RUN, data, HERE, frequent)
    # Once more after each evaluation but the last, whose predictions no checkpoint would hold.
    assert frequent.saved == STEPS + RUN.recipe.epochs - 1
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step_000000029", "step_000000030"]


def test_nothing_is_written_before_the_interval_has_passed(data, tmp_path):
    train(RUN, data, HERE, Checkpoints(tmp_path / "none", "x", interval=3600))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("damage", ["flip", "truncate", "no json", "half json", "no tensors"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(data, tmp_path, capsys, damage):
    undisturbed = history(RUN, data)
    interrupted_at(data, tmp_path, 12)
    interrupted_at(data, tmp_path, 14)
    newest = tmp_path / "step_000000014"
    tensors, description = newest / "state.safetensors", newest / "state.json"
    if damage == "flip":
        raw = bytearray(tensors.read_bytes())
        raw[-5] ^= 1
        tensors.write_bytes(raw)
    elif damage == "truncate":
        tensors.write_bytes(tensors.read_bytes()[:-100])
    elif damage == "no json":
        description.unlink()
    elif damage == "half json":
        description.write_text(description.read_text()[:50])
    else:
        tensors.unlink()
    assert history(RUN, data, HERE, Checkpoints(tmp_path, "x")) == undisturbed
    messages = capsys.readouterr().err
    assert "step_000000014 is damaged and not used" in messages
    assert "going on after step 12" in messages


def test_a_checkpoint_of_another_configuration_is_refused(data, tmp_path):
    interrupted_at(data, tmp_path, 3, identity="one")
    with pytest.raises(CheckpointError, match=r"belongs to another configuration.*remove"):
        train(RUN, data, HERE, Checkpoints(tmp_path, "another"))
    assert (tmp_path / "step_000000003").exists()


def test_a_file_that_is_only_a_pickle_is_not_loaded(data, tmp_path, capsys):
    """Whatever the checksum says, safetensors holds no code."""

    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    folder = tmp_path / "step_000000005"
    folder.mkdir()
    raw = pickle.dumps(Malicious())
    (folder / "state.safetensors").write_bytes(raw)
    digest = hashlib.sha256(raw).hexdigest()
    description = {"identity": "x", "sha256": digest, "position": 5, "history": [], "seconds": 0}
    (folder / "state.json").write_text(json.dumps(description))
    train(RUN, data, HERE, Checkpoints(tmp_path, "x"))
    assert "step_000000005 is damaged and not used" in capsys.readouterr().err
    assert not (tmp_path / "owned").exists()


def small_state(position):
    """A state before its first step that says it is somewhere else."""
    metrics = Metrics(PolySeries(), {})
    state = prepare(RUN, 1, 10, 10, metrics, ALONE)
    state.position = position
    return state


def dies_at(number):
    """Make this process kill itself in the middle of the `number`-th stage of what it does next."""
    calls = itertools.count(1)

    def mortal(function):
        def wrapped(*arguments, **options):
            if next(calls) == number:
                if function is checkpoints.write_durably:  # half a file
                    function(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        return wrapped

    checkpoints.Path.mkdir = mortal(checkpoints.Path.mkdir)
    checkpoints.write_durably = mortal(checkpoints.write_durably)
    checkpoints.fsync_folder = mortal(checkpoints.fsync_folder)
    checkpoints.os.rename = mortal(os.rename)
    checkpoints.shutil.rmtree = mortal(checkpoints.shutil.rmtree)


def test_killed_at_every_stage_of_writing_a_checkpoint_there_is_always_a_whole_one(tmp_path):
    """Stage by stage until one is reached that the writing does not have."""
    for stage in itertools.count(1):
        folder = tmp_path / str(stage)
        for position in (1, 2):
            Checkpoints(folder, "x").save(small_state(position))
        child = os.fork()
        if child == 0:
            dies_at(stage)
            Checkpoints(folder, "x").save(small_state(3))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        state = small_state(0)
        assert Checkpoints(folder, "x").restore(state)
        assert state.position in (2, 3)
        Checkpoints(folder, "x").save(small_state(4))
        kept = sorted(path.name for path in folder.iterdir())
        assert kept == [f"step_{state.position:09d}", "step_000000004"]
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
    assert stage > 8


def test_a_run_whose_data_have_changed_is_refused(data, tmp_path):
    """The identity of a checkpoint holds the checksums of its images."""
    changed = dataclasses.replace(data, splits={**data.splits, "test": data.splits["validation"]})
    interruption = Interruption()
    interruption.requested = signal.SIGTERM
    with pytest.raises(InterruptedTrainingError):
        train_and_record(tmp_path, RUN, data, Execution(ALONE, interruption))
    with pytest.raises(CheckpointError, match="or to other data; remove"):
        train_and_record(tmp_path, RUN, changed, HERE)


def test_sums_of_another_number_of_processes_are_taken_over_once():
    state = small_state(5)
    state.part += 1.0
    tensors = state.tensors(ALONE) | {"sums/part": torch.stack([state.part, state.part])}
    loaded = [small_state(0) for _ in range(3)]
    for rank, other in enumerate(loaded):
        other.load(tensors, state.numbers(), Processes(torch.device("cpu"), rank, 3))
    assert torch.equal(sum(other.part for other in loaded), 2 * state.part)
    assert loaded[2].position == 5


def test_pending_predictions_of_another_number_of_processes_are_taken_over_once():
    """Those that no metric counts yet: two processes saved, one, two or three go on."""
    state = small_state(5)
    logits, targets = torch.randn(2, 4, 10), torch.arange(8).view(2, 4)
    tensors = state.tensors(ALONE) | {"pending/logits": logits, "pending/targets": targets}
    tensors |= {"sums/part": torch.stack([state.part, state.part])}
    for count in (1, 2, 3):
        loaded = []
        for rank in range(count):
            other = small_state(0)
            processes = Processes(torch.device("cpu"), rank, count)
            other.load(tensors, state.numbers(), processes)
            loaded += other.pending
        assert torch.equal(torch.cat([kept for kept, _ in loaded]), logits.flatten(0, 1))
        assert torch.cat([kept for _, kept in loaded]).tolist() == list(range(8))


def test_a_full_disk_leaves_the_older_checkpoint_and_no_half_one(data, tmp_path):
    """A real limit of the system on the size of files, as a full disk would be."""
    interrupted_at(data, tmp_path, 5)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            train(RUN, data, HERE, AtEveryStep(tmp_path, "x", ALONE))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["step_000000005"]
    resumed = train(RUN, data, HERE, Checkpoints(tmp_path, "x"))
    assert without_times(resumed.history) == history(RUN, data)
