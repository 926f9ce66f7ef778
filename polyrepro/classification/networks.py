"""The network of a run, and what its steps call: itself, compiled, or replayed from CUDA graphs.

On a GPU the runs of a job use one network in turn. Compiling takes a minute and capturing seconds,
more than a small run; so the weights of each run are written into the network of the run before.
"""

import sys
from collections.abc import Callable
from typing import NamedTuple

import timm
import torch
from torch import Tensor, nn

from polyrepro.classification import models, residual_networks  # noqa: F401  (register networks)
from polyrepro.classification.randomness import seed_global_draws
from polyrepro.classification.weights import load_initial_weights
from polyrepro.recipes import ClassificationRecipe
from polyrepro.running.processes import Processes
from polyrepro.runs import Run


class Built(NamedTuple):
    """A network with the initial weights of a run.

    Attributes:
        network: the network itself, whose weights are trained.
        trained: what a step calls; the network or something around it.
    """

    network: nn.Module
    trained: nn.Module


def build_network(
    run: Run, channels: int, classes: int, processes: Processes, in_memory: bool
) -> Built:
    """The network of a run; on a GPU only until the next run is built.

    Args:
        channels: of the images.
        classes: of the data set.
        in_memory: whether the images are on the device already. If so, launching kernels is what
            a small network waits for, and its training passes are replayed.
    """
    seed_global_draws(processes.device, "initial weights", run.seed)
    fresh = fresh_network(run, channels, classes)
    if not kept_between_runs(processes):
        network = _moved(fresh, run.recipe, processes.device)
        return Built(network, _wrapped(network, run.recipe, processes, in_memory))
    recipe = run.recipe
    parts = (recipe.model, recipe.drop_path, recipe.channels_last, recipe.compile, recipe.precision)
    key = (*parts, channels, classes, processes.device, replays(recipe, processes, in_memory))
    if _KEPT.get("key") != key:
        _KEPT.clear()  # before another network needs the memory
        network = _moved(fresh, recipe, processes.device)
        built = Built(network, _wrapped(network, recipe, processes, in_memory))
        _KEPT.update(key=key, built=built)
    else:
        reinitialise(_KEPT["built"].network, fresh)
    return _KEPT["built"]


_KEPT: dict = {}
"""The latest network of this process and what it was built for."""


def forget_network() -> None:
    """Free the memory of the network that is kept for the next run."""
    _KEPT.clear()


def kept_between_runs(processes: Processes) -> bool:
    """Whether the next run uses the same network; several processes wrap theirs each time."""
    return processes.device.type == "cuda" and processes.count == 1


def compiles(recipe: ClassificationRecipe, device: torch.device) -> bool:
    """Whether the network is compiled there."""
    return recipe.compile and device.type == "cuda"


def replays(recipe: ClassificationRecipe, processes: Processes, in_memory: bool) -> bool:
    """Whether training passes are replayed.

    Not with several passes per step: the graphs write all gradients to the same place. Not with
    stochastic depth, which draws anew in each step.
    """
    one_pass = recipe.passes_per_step == 1 and processes.count == 1
    small = in_memory and not recipe.compile and not recipe.drop_path
    return one_pass and small and processes.device.type == "cuda"


def reinitialise(network: nn.Module, fresh: nn.Module) -> None:
    """Give a network the weights and statistics of another one, in the memory that it has."""
    with torch.no_grad():
        for own, new in zip(network.parameters(), fresh.parameters(), strict=True):
            own.copy_(new)
            own.grad = None
        for own, new in zip(network.buffers(), fresh.buffers(), strict=True):
            own.copy_(new)


class ReplayedNetwork(nn.Module):
    """A network whose training passes are replayed from CUDA graphs, captured at the first one.

    Evaluation, and batches of another shape, call the network itself. Forward and backward pass of
    the network are captured, not the loss, so runs with any loss share them.

    Attributes:
        captured: the training pass; None before the first one, and if it cannot be captured.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.module = network  # the name that timm looks for
        self._shape: torch.Size | None = None
        self.captured: Callable[[Tensor], Tensor] | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Logits (images, classes)."""
        if not (self.training and torch.is_grad_enabled()):
            return self.module(images)
        if self._shape is None:
            self._shape, self.captured = images.shape, capture(self.module, images)
        if self.captured is None or images.shape != self._shape:
            return self.module(images)
        # The next replay writes to the same memory, and metrics are summed later.
        return self.captured(images).clone()


def capture(network: nn.Module, images: Tensor) -> Callable[[Tensor], Tensor] | None:
    """The training pass of a network as CUDA graphs; None, with a message, if that fails."""
    holder = nn.Sequential(network).train()  # torch replaces the forward method of what it is given
    before = [buffer.clone() for buffer in network.buffers()]
    autocast = torch.autocast(
        "cuda",
        dtype=torch.get_autocast_dtype("cuda"),
        enabled=torch.is_autocast_enabled("cuda"),
        cache_enabled=False,
    )
    try:
        with autocast:
            torch.cuda.make_graphed_callables(holder, (images.clone(),))
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        print(f"trained without CUDA graphs, which this network refuses: {reason}", file=sys.stderr)
        return None
    finally:
        # The passes for warming up have moved the running statistics.
        for buffer, value in zip(network.buffers(), before, strict=True):
            buffer.copy_(value)
    return holder.__call__


def fresh_network(run: Run, channels: int, classes: int) -> nn.Module:
    """The network of a run before its first step, on the CPU; draws global random numbers."""
    recipe = run.recipe
    network = timm.create_model(
        recipe.model,
        in_chans=channels,
        num_classes=classes,
        drop_path_rate=recipe.drop_path,
    )
    if run.initial_weights is not None:
        load_initial_weights(network, run.initial_weights)
    return network


def _moved(network: nn.Module, recipe: ClassificationRecipe, device: torch.device) -> nn.Module:
    layout = torch.channels_last if recipe.channels_last else torch.contiguous_format
    return network.to(device, memory_format=layout)


def _wrapped(
    network: nn.Module, recipe: ClassificationRecipe, processes: Processes, in_memory: bool
) -> nn.Module:
    if compiles(recipe, processes.device):
        # Compiled once per image size: code that takes any size would be slower at all of them.
        return torch.compile(network, dynamic=False)
    return ReplayedNetwork(network) if replays(recipe, processes, in_memory) else network
