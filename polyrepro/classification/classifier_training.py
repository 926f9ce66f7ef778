"""What a job calls to train a classifier."""

from pathlib import Path

from polyrepro.classification.memory import train_within_memory
from polyrepro.classification.predictions import write_predictions
from polyrepro.classification.weights import write_weights
from polyrepro.files import PREDICTIONS_FILE
from polyrepro.running.checkpoints import Checkpoints
from polyrepro.running.execution import Execution
from polyrepro.running.records import Outcome
from polyrepro.runs import WEIGHTS_FILE, Run


def train_run(run: Run, data, folder: Path, identity: str, execution: Execution) -> Outcome:
    """Train a run in its folder, from its last checkpoint on.

    The folder gets the predictions for validation and test images and, if another recipe starts
    from them, the weights. A run that has diverged predicts nothing.

    Args:
        data: an `ImageArrays` or what `polyrepro.data` reads from disk.
        identity: of run and data; checkpoints with another one are refused.
    """
    checkpoints = Checkpoints(folder / "checkpoints", identity, execution.processes)
    trained = train_within_memory(run, data, execution, checkpoints)
    weights = predictions = None
    if execution.processes.first and trained.diverged is None:
        predictions = write_predictions(folder / PREDICTIONS_FILE, trained.predictions)
        if run.gives_weights:
            weights = write_weights(folder / WEIGHTS_FILE, trained.network)
    return Outcome(trained.history, weights, predictions, trained.diverged)
