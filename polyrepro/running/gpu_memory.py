"""What to do when a run does not fit into the memory of a GPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from polyrepro.errors import PolyreproError
from polyrepro.recipes import ClassificationRecipe
from polyrepro.running.processes import Processes
from polyrepro.runs import Run


class DeviceMemoryError(PolyreproError):
    """A run that needs more memory than its GPU has left."""


@contextmanager
def gpu_memory(run: Run, processes: Processes) -> Iterator[None]:
    """Inside, a GPU that runs out of memory is an error that says what to set.

    Raises:
        DeviceMemoryError: in the place of torch's error.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).split(". Of the allocated memory")[0]
        raise DeviceMemoryError(
            f"{run.id} does not fit into the memory of the GPU ({reason}). "
            f"{_advice(run, processes)} `nvidia-smi` shows whether another program holds some of it"
        ) from error


def _advice(run: Run, processes: Processes) -> str:
    recipe = run.recipe
    if isinstance(recipe, ClassificationRecipe):
        return (
            f"Let each forward pass take fewer images than {recipe.images_per_device}: set "
            "`overrides: {images_per_device: ...}` to a divisor of the batch size "
            f"{recipe.batch_size} (not done unasked, because batch normalisation sees so many: "
            "with fewer it is another training)."
        )
    return (
        f"A step has {recipe.batch_size} images on {processes.count} GPU(s): set "
        "`processes_per_run` to a larger divisor."
    )
