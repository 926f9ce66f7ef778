"""A training in a process of its own, which waits after each step until the test lets it go on."""

import os
import signal
from pathlib import Path

import pytest
import torch
from forked_commands import CONTEXT
from small_trainings import RUN

from polyrepro.data import load
from polyrepro.running.checkpoints import Checkpoints
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import InterruptedTrainingError, Interruption
from polyrepro.running.jobs import train_and_record
from polyrepro.running.processes import Processes


class TrainingProcess:
    """RUN, trained in a process of its own, with a checkpoint after every step.

    Args:
        results: folder of the results.
    """

    def __init__(self, results: Path) -> None:
        self._connection, theirs = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=_train, args=(results, theirs), daemon=True)
        self.process.start()
        theirs.close()

    def wait_for_step(self, step: int) -> None:
        """Until the checkpoint after this step is there; the process waits, too."""
        while (position := self._said()) != step:
            if not isinstance(position, int) or position > step:
                pytest.fail(f"wanted step {step}, got {position}")
            self._connection.send("go on")

    def signalled(self, number: signal.Signals) -> str:
        """Send a signal, let the process go on, and return what it said at its end."""
        os.kill(self.process.pid, number)
        self._connection.send("go on")
        while isinstance(said := self._said(), int):
            self._connection.send("go on")
        self.process.join()
        return said

    def kill(self) -> None:
        """Let it go on, and end it without warning."""
        self._connection.send("go on")
        self.process.kill()
        self.process.join()

    def _said(self) -> object:
        assert self._connection.poll(120), "the training does not answer"
        return self._connection.recv()


def _train(results: Path, connection) -> None:
    torch.set_num_threads(1)
    original = Checkpoints.save

    def save_and_wait(self, position, write):
        original(self, position, write)
        connection.send(position)
        connection.recv()

    Checkpoints.due, Checkpoints.save = property(lambda self: True), save_and_wait
    try:
        with Interruption() as interruption:
            execution = Execution(Processes(torch.device("cpu")), interruption)
            train_and_record(results, RUN, load("fashion_mnist"), execution)
        connection.send("finished")
    except InterruptedTrainingError as error:
        connection.send(str(error))
