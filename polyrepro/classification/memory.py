"""A training that does not fit into a GPU's memory, in smaller passes where that is the same.

It is the same, up to rounding, where each image's gradient depends on no other image. Batch
normalisation couples the images of a pass, so a network that has it is left alone: smaller passes
would be another training, which only the user can decide on (`images_per_device`).
"""

from dataclasses import replace

import torch
from torch import nn

from polyrepro.classification.loop import Trained, train
from polyrepro.classification.networks import forget_network, fresh_network
from polyrepro.running.checkpoints import Checkpoints
from polyrepro.running.execution import Execution
from polyrepro.runs import Run

BATCH_NORMALISATION = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def train_within_memory(
    run: Run, data, execution: Execution, checkpoints: Checkpoints | None
) -> Trained:
    """Train a run; if the memory does not suffice, from the last checkpoint on in halved passes.

    Standard error says so, and the execution's notes.

    Raises:
        torch.OutOfMemoryError: if smaller passes would not be the same training, or one image is
            too much.
    """
    while True:
        try:
            return train(run, data, execution, checkpoints)
        except torch.OutOfMemoryError:
            size = run.recipe.images_per_device // execution.pass_parts
            if size == 1 or not smaller_passes_are_the_same(run, data, execution):
                raise
        # Outside of the handler: the error's traceback holds all that the training had.
        forget_network()
        torch.cuda.empty_cache()
        execution = replace(execution, pass_parts=2 * execution.pass_parts)
        execution.note(
            run.id,
            f"the GPU ran out of memory with {size} images in a forward pass; went on with "
            f"{run.recipe.images_per_device // execution.pass_parts}, which gives the same "
            "gradients up to rounding",
        )


def smaller_passes_are_the_same(run: Run, data, execution: Execution) -> bool:
    """Whether passes of fewer images give the same steps, up to rounding.

    Not with batch normalisation or other running statistics; not with stochastic depth, which
    draws in each pass; not with class weights, whose sum a pass divides by; not in several
    processes, which would have to agree on it.
    """
    if execution.processes.count > 1 or run.recipe.drop_path or run.loss.alpha is not None:
        return False
    network = fresh_network(run, data.channels, len(data.classes))
    running = any(buffer.is_floating_point() for buffer in network.buffers())
    coupled = any(isinstance(part, BATCH_NORMALISATION) for part in network.modules())
    return not running and not coupled
