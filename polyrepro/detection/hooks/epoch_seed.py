"""Random numbers that depend on the epoch, not on what ran before it."""

from functools import partial

from mmengine.dataset.utils import worker_init_fn
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner, set_random_seed

from polyrepro.detection.detection_errors import DetectionError

PRIME = 1_000_003


def epoch_seed(seed: int, epoch: int) -> int:
    """A seed for numpy, at most 2**31; different for all epochs of a training."""
    return (seed * PRIME + epoch) % 2**31


class EpochSeedHook(Hook):
    """Seeds all generators anew at the start of each epoch, from the run's seed and the epoch.

    A training resumed at the end of an epoch then draws the numbers that it would have drawn
    without the interruption, and ends with the same weights on the same machine. mmengine itself
    starts a resumed training with the random numbers of the first epoch.

    Raises:
        DetectionError: before training, for a loop without epochs, and for persistent workers,
            whose random numbers cannot be reached.
    """

    def before_train(self, runner: Runner) -> None:
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise DetectionError(
                "EpochSeedHook needs epochs, but the training loop is a "
                f"{type(runner.train_loop).__name__}: use EpochBasedTrainLoop, or leave the hook "
                "out and accept that a resumed training is not the same to the bit"
            )
        if runner.train_dataloader.persistent_workers:
            raise DetectionError(
                "EpochSeedHook cannot seed persistent data-loader workers anew: set "
                "train_dataloader.persistent_workers=False"
            )

    def before_train_epoch(self, runner: Runner) -> None:
        seed = epoch_seed(runner.seed, runner.epoch)
        rank = get_rank()
        set_random_seed(seed + rank)
        loader = runner.train_dataloader
        loader.worker_init_fn = partial(
            worker_init_fn, num_workers=loader.num_workers, rank=rank, seed=seed
        )
