"""Trainings whose images stream from disk, through the ordinary loop and jobs."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress

import pytest
import torch
from image_trees import SMALL, encoded, picture, write_tree
from small_trainings import (
    ALONE,
    CROSS_ENTROPY,
    HERE,
    history,
    interrupted_at,
    without_times,
)
from streaming_cases import recipe

from polyrepro.classification.failures import TrainingError
from polyrepro.classification.loop import train
from polyrepro.cli import main
from polyrepro.data import DataError, open_dataset
from polyrepro.data.indexed.cache_making import make_cache
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.data.indexed.verification import verify
from polyrepro.files import data_folder
from polyrepro.recipes import RECIPES
from polyrepro.running.checkpoints import CheckpointError, Checkpoints
from polyrepro.running.execution import Execution
from polyrepro.running.jobs import train_and_record
from polyrepro.running.run_folders import checkpoint_identity, run_folder
from polyrepro.runs import Run

# 19 training images in batches of 8: two steps of four passes, two epochs.
RUN = Run(
    recipe=recipe(model="polyrepro_convnet", image_size=28, evaluation_size=28),
    variant=CROSS_ENTROPY,
    seed=0,
)


@pytest.fixture
def root(tmp_path):
    return write_tree(tmp_path / "images")


@pytest.fixture
def data(root, tmp_path):
    verify(SMALL, root, tmp_path / "index")
    return IndexedImages(tmp_path / "index")


def checkpoints(tmp_path, data):
    return Checkpoints(tmp_path / "checkpoints", checkpoint_identity(RUN, data.citation), ALONE)


def test_histories_do_not_depend_on_workers(data):
    alone = history(RUN, data)
    assert history(RUN, data, Execution(ALONE, workers=2)) == alone
    assert {row["split"] for row in alone} == {"train", "validation", "test"}


@pytest.mark.parametrize("step", [1, 2, 3])
def test_a_resumed_run_ends_with_the_same_bits(data, tmp_path, step):
    undisturbed = history(RUN, data)
    interrupted_at(RUN, data, step, checkpoints(tmp_path, data))
    assert history(RUN, data, HERE, checkpoints(tmp_path, data)) == undisturbed


def test_data_that_changed_between_save_and_resume_are_refused(root, data, tmp_path):
    interrupted_at(RUN, data, 1, checkpoints(tmp_path, data))
    victim = data.where(0)
    with open(victim, "wb") as file:
        file.write(encoded(picture(300)))
    with pytest.raises(DataError, match="has changed since it was verified"):
        train(RUN, data, HERE, checkpoints(tmp_path, data))
    verify(SMALL, root, tmp_path / "index")
    data = IndexedImages(tmp_path / "index")
    with pytest.raises(CheckpointError):
        train(RUN, data, HERE, checkpoints(tmp_path, data))


def test_a_run_on_the_cache_is_another_one_and_cites_it(data, tmp_path):
    make_cache(data, tmp_path / "cache", 40, workers=1)
    cached = IndexedImages(tmp_path / "index", (tmp_path / "cache", 40))
    results = tmp_path / "results"
    plain = train_and_record(results, RUN, data, HERE)
    record = train_and_record(results, RUN, cached, Execution(ALONE, workers=1))
    assert "cache" not in plain["data"]
    assert record["data"]["cache"]["shorter_side"] == 40
    assert without_times(record["history"]) != without_times(plain["history"])
    assert without_times(record["history"]) == history(RUN, cached)
    assert run_folder(results, RUN, cached.citation) != run_folder(results, RUN, data.citation)


def test_a_loss_that_is_not_finite_names_the_files(data):
    recipe_without_bounds = RUN.recipe.model_copy(update={"learning_rate": 1e30})
    run = RUN.model_copy(update={"recipe": recipe_without_bounds})
    with pytest.raises(TrainingError, match=r"The images were: .*/train/n\d+/n\d+_\d+\.JPEG"):
        train(run, data, HERE)


SCRIPT = """
import sys
from pathlib import Path
import torch
from polyrepro.classification import loop
from polyrepro.data.indexed.cache_making import make_cache
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import Interruption, InterruptedTrainingError
from polyrepro.running.processes import Processes
from polyrepro.runs import Run

run, data = Run.model_validate_json(sys.argv[1]), IndexedImages(Path(sys.argv[2]))
train_step = loop._Training._train_step

def told(self, epoch, passes):
    print(self.state.position, flush=True)
    return train_step(self, epoch, passes)

loop._Training._train_step = told
torch.set_num_threads(2)  # as with --cpus 2
with Interruption() as interruption:
    execution = Execution(Processes(torch.device("cpu")), interruption, workers=2)
    try:
        loop.train(run, data, execution)
    except InterruptedTrainingError as error:
        print(error)
"""


def test_a_signal_to_all_processes_of_a_job_lets_it_finish_its_step(data, tmp_path):
    run = RUN.model_copy(update={"recipe": RUN.recipe.model_copy(update={"epochs": 100_000})})
    command = [sys.executable, "-c", SCRIPT, run.model_dump_json(), str(tmp_path / "index")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            while process.stdout.readline() != "3\n":
                assert process.poll() is None
            os.killpg(process.pid, signal.SIGTERM)
            output, _ = process.communicate(timeout=60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0
    assert re.search(r"stopped after step \d+ on SIGTERM", output)


def test_photographs_go_through_the_imagenet_recipe(root, tmp_path):
    """The model, crops and passes of ResNet-50 on ImageNet, half the size, on eight images."""
    shutil.rmtree(root / "train")
    results = tmp_path / "results"
    output = data_folder(results, "imagenet1k_sample")
    main(["data", "verify", "imagenet1k_sample", "--root", str(root), "--output", str(output)])
    changes = {"dataset": "imagenet1k_sample", "epochs": 1, "warmup_epochs": 0, "compile": False}
    changes |= {"image_size": 112, "evaluation_size": 112}
    run = Run(
        recipe=RECIPES["resnet50_imagenet1k"].model_copy(update=changes),
        variant=CROSS_ENTROPY,
        seed=0,
    )
    data = open_dataset("imagenet1k_sample", results)
    record = train_and_record(results, run, data, HERE)
    assert record["data"]["splits"] == {"train": 8, "validation": 8, "test": 8}
    assert record["data"]["manifest_sha256"] == data.citation["manifest_sha256"]
    last = record["history"][-1]
    assert last["split"] == "test" and torch.isfinite(torch.tensor(last["cross_entropy"]))


def test_a_data_set_that_was_not_verified_is_not_trained_on(tmp_path):
    with pytest.raises(DataError, match=r"imagenet1k/manifest\.json: the data set has not been"):
        open_dataset("imagenet1k", tmp_path)
    verify(SMALL, write_tree(tmp_path / "images"), data_folder(tmp_path, "imagenet1k"))
    with pytest.raises(DataError, match="holds the index of small, not of imagenet1k"):
        open_dataset("imagenet1k", tmp_path)
