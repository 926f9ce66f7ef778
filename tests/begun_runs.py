"""Trainings of a plan that have finished, or are half done."""

import json

import torch

from polyrepro.files import progress_path
from polyrepro.running.current_run import make_current
from polyrepro.running.execution import Execution
from polyrepro.running.processes import Processes
from polyrepro.running.progress import Progress
from polyrepro.running.records import Outcome, write_record

HERE = Execution(Processes(torch.device("cpu")))
DATA = {"dataset": "kanji", "splits": {"train": {"images": 9, "sha256": "a"}}}
ROWS = [
    {"epoch": 1, "split": "train", "loss": 2.0, "seconds": 30.0},
    {"epoch": 1, "split": "validation", "top1": 61.5},
]


def finish(plan, tmp_path, run):
    make_current(tmp_path, run, DATA)
    write_record(tmp_path, run, DATA, Outcome(ROWS), HERE)


def begin(tmp_path, run, **changes):
    """Leave the progress file of a training that is half done; `changes` are other entries."""
    state = Progress(tmp_path, run)
    state.update(50, 100, ROWS)
    path = progress_path(tmp_path, run.id)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
