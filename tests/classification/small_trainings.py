"""Small trainings of the embedded network, and how their histories are compared."""

import signal

import pytest
import torch

from polyrepro.classification import loop
from polyrepro.classification.loop import train
from polyrepro.recipes.fashion_mnist import FASHION_MNIST
from polyrepro.running.execution import Execution
from polyrepro.running.interruption import InterruptedTrainingError, Interruption
from polyrepro.running.processes import Processes
from polyrepro.runs import Run
from polyrepro.variants import Variant, poly_loss

ALONE = Processes(torch.device("cpu"))
HERE = Execution(ALONE)
CROSS_ENTROPY = Variant(name="cross_entropy")
POLY1 = Variant(name="poly1_e+2", loss=poly_loss((2.0,)))
RECIPE = FASHION_MNIST.model_copy(update={"epochs": 3, "train_images": 1280})  # 10 steps each
RUN = Run(recipe=RECIPE, variant=POLY1, seed=0)
STEPS = 30


def without_times(history: list[dict]) -> list[dict]:
    """What a repeated training must give again to the bit."""
    times = ("seconds", "images_per_second")
    return [{key: v for key, v in row.items() if key not in times} for row in history]


def history(run, data, execution=HERE, checkpoints=None) -> list[dict]:
    """Train a run; its history without times."""
    return without_times(train(run, data, execution, checkpoints).history)


def interrupted_at(run, data, step, checkpoints) -> None:
    """Train a run until a signal comes during `step`; leaves a checkpoint after it."""
    interruption = Interruption()
    train_step = loop._Training._train_step

    def signalled(self, epoch, passes):
        if self.state.position + 1 == step:
            interruption.requested = signal.SIGTERM
        return train_step(self, epoch, passes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Training, "_train_step", signalled)
        with pytest.raises(InterruptedTrainingError, match=f"after step {step} on SIGTERM"):
            loop.train(run, data, Execution(ALONE, interruption), checkpoints)
