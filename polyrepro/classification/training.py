"""What a job calls to train a classifier."""

from pathlib import Path

from polyrepro.classification.loop import train
from polyrepro.classification.weights import write_weights
from polyrepro.running.checkpoints import Checkpoints
from polyrepro.running.execution import Execution
from polyrepro.running.records import Outcome
from polyrepro.runs import WEIGHTS_FILE, Run


def train_run(run: Run, data, folder: Path, identity: str, execution: Execution) -> Outcome:
    """Train a run in its folder, from its last checkpoint on.

    Args:
        data: an `ImageArrays` or what `polyrepro.data` reads from disk.
        identity: of run and data; checkpoints with another one are refused.
    """
    checkpoints = Checkpoints(folder / "checkpoints", identity, execution.processes)
    state = train(run, data, execution, checkpoints)
    weights = None
    if run.gives_weights and execution.processes.first:
        weights = write_weights(folder / WEIGHTS_FILE, state.kept_network)
    return Outcome(state.history, weights)
