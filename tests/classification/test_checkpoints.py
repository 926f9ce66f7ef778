"""Interrupted training: what a killed, pre-empted or unlucky run leaves, and that it goes on."""

import dataclasses
import signal

import pytest
import small_trainings
import torch
from small_trainings import ALONE, HERE, RUN, STEPS, history

from polyrepro.classification import loop
from polyrepro.classification.initial_state import prepare
from polyrepro.classification.loop import train
from polyrepro.classification.metric_sums import Metrics
from polyrepro.classification.state import TrainingState
from polyrepro.data import load
from polyrepro.losses import PolySeries
from polyrepro.running.checkpoints import CheckpointError
from polyrepro.running.checkpoints import Checkpoints as CheckpointsOf
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

    def save(self, position, write):
        self.saved += 1
        super().save(position, write)


def interrupted_at(data, folder, step, identity="x"):
    """Train RUN until a signal comes during `step`; leaves a checkpoint after it."""
    small_trainings.interrupted_at(RUN, data, step, Checkpoints(folder, identity))


@pytest.mark.parametrize("step", [1, 7, 10, 11, 29])
def test_a_resumed_run_ends_with_the_same_bits(data, tmp_path, step):
    """Inside an epoch, at its end, right after it, and one step before the end."""
    undisturbed = history(RUN, data)
    interrupted_at(data, tmp_path, step)
    assert history(RUN, data, HERE, Checkpoints(tmp_path, "x")) == undisturbed


@pytest.mark.parametrize(("split", "step"), [("validation", 10), ("test", STEPS)])
def test_a_run_stopped_while_it_is_evaluated_ends_with_the_same_bits(data, tmp_path, split, step):
    interruption = Interruption()
    evaluate = loop._Training._evaluate

    def signalled(self, which):
        if which == split:
            interruption.requested = signal.SIGTERM
        return evaluate(self, which)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Training, "_evaluate", signalled)
        with pytest.raises(InterruptedTrainingError, match=f"after step {step} on SIGTERM"):
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


def test_each_step_and_each_evaluation_can_be_saved(data, tmp_path):
    frequent = AtEveryStep(tmp_path, "x", ALONE)
    train(RUN, data, HERE, frequent)
    # Once more after each evaluation but the last, whose predictions no checkpoint would hold.
    assert frequent.saved == STEPS + RUN.recipe.epochs - 1
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step_000000029", "step_000000030"]


def test_nothing_is_written_before_the_interval_has_passed(data, tmp_path):
    train(RUN, data, HERE, Checkpoints(tmp_path / "none", "x", interval=3600))
    assert not (tmp_path / "none").exists()


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(data, tmp_path, capsys):
    undisturbed = history(RUN, data)
    interrupted_at(data, tmp_path, 12)
    interrupted_at(data, tmp_path, 14)
    numbers = tmp_path / "step_000000014/state.json"
    numbers.write_text(numbers.read_text().replace('"position": 14', '"position": 13'))
    assert history(RUN, data, HERE, Checkpoints(tmp_path, "x")) == undisturbed
    messages = capsys.readouterr().err
    assert "step_000000014 is not used: it is damaged: state.json does not have its" in messages
    assert "going on after step 12" in messages


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
def test_files_that_were_not_written_by_a_training_are_an_error(tmp_path, name):
    """Their checksums are right, as those of a forged file would be; neither can hold code."""
    state = small_state(5)
    state.save(Checkpoints(tmp_path, "x"), ALONE)

    def forge(folder):
        for path in (tmp_path / "step_000000005").glob("state.*"):
            (folder / path.name).write_bytes(path.read_bytes())
        (folder / name).write_bytes(b"cos\nmkdir\n(S'owned'\ntR.")

    Checkpoints(tmp_path, "x").save(6, forge)
    with pytest.raises(CheckpointError, match=r"step_000000006 .* does not fit this run.* Remove"):
        small_state(0).restore(Checkpoints(tmp_path, "x"), ALONE)


def small_state(position):
    """A state before its first step that says it is somewhere else."""
    metrics = Metrics(PolySeries(), {})
    state = prepare(RUN, 1, 10, 10, metrics, ALONE)
    state.position = position
    return state


def test_a_run_whose_data_have_changed_does_not_go_on_from_its_checkpoint(data, tmp_path, capsys):
    """The identity of a checkpoint, and its folder's name, hold the checksums of the images."""
    changed = dataclasses.replace(data, splits={**data.splits, "test": data.splits["validation"]})
    interruption = Interruption()
    interruption.requested = signal.SIGTERM
    with pytest.raises(InterruptedTrainingError):
        train_and_record(tmp_path, RUN, data, Execution(ALONE, interruption))
    train_and_record(tmp_path, RUN, changed, HERE)
    assert "going on after step" not in capsys.readouterr().err
    assert len(list(tmp_path.rglob("checkpoints/step_000000001"))) == 1, "the other data's stays"
    train_and_record(tmp_path, RUN, data, HERE)
    assert "going on after step 1" in capsys.readouterr().err


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
