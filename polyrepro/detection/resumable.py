"""What makes a training the same after it was resumed in the middle of an epoch.

Mini-batches that were trained on are passed over, and all random numbers depend on the run's seed
and on the step (in the model) or on the epoch and the image (in augmentation), not on history.
"""

import random
from collections.abc import Iterator

import numpy as np
import torch
from mmdet.registry import DATA_SAMPLERS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import BatchSampler, Sampler

from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.registration import register_in_scopes


def seed_from(*numbers: int) -> int:
    """A seed for numpy, below 2**32, from a few whole numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def seed_draws(seed: int) -> None:
    """Seed what transforms and models draw from.

    Not `torch.manual_seed`: without a GPU it keeps three stack traces of every call for the moment
    when one appears, which takes longer than to read an image.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


class ResumableBatchSampler(Sampler[list[int]]):
    """Mini-batches of a sampler, of which the first ``skip`` of the next epoch are passed over.

    Args:
        sampler, batch_size: as mmengine gives them.
        inner: configuration of the batch sampler that forms the mini-batches; by default in the
            order of the sampler, the last one as it is.
    """

    def __init__(self, sampler: Sampler[int], batch_size: int, inner: dict | None = None) -> None:
        self.sampler = sampler
        self.batches = (
            BatchSampler(sampler, batch_size, drop_last=False)
            if inner is None
            else DATA_SAMPLERS.build(
                inner, default_args={"sampler": sampler, "batch_size": batch_size}
            )
        )
        self.batch_size = batch_size
        self.skip = 0

    def __iter__(self) -> Iterator[list[int]]:
        skip, self.skip = self.skip, 0
        for number, batch in enumerate(self.batches):
            if number >= skip:
                yield batch

    def __len__(self) -> int:
        return len(self.batches)


class SeedImage:
    """First step of a training pipeline: seeds the generators for one sample of one epoch.

    A sample is an image of MMDetection or a point cloud of MMDetection3D.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.epoch = 0

    def __call__(self, results: dict) -> dict:
        number = results["img_id"] if "img_id" in results else results["sample_idx"]
        seed_draws(seed_from(self.seed, self.epoch, int(number)))
        return results


class ResumableHook(Hook):
    """Seeds each step, gives `SeedImage` the epoch, and skips what was trained before a resume.

    Raises:
        DetectionError: before training, if the data loader cannot be resumed.
    """

    def before_train(self, runner: Runner) -> None:
        loader = runner.train_dataloader
        transforms = getattr(getattr(loader.dataset, "pipeline", None), "transforms", [])
        resumable = isinstance(loader.batch_sampler, ResumableBatchSampler)
        if (
            not resumable
            or loader.persistent_workers
            or not isinstance(next(iter(transforms), None), SeedImage)
        ):
            raise DetectionError(
                "to resume in the middle of an epoch, the training data loader needs a "
                "ResumableBatchSampler, SeedImage as the first step of its pipeline, and "
                "persistent_workers=False"
            )
        self._seed_image = transforms[0]
        loader.batch_sampler.skip = runner.iter - runner.epoch * len(loader)

    def before_train_epoch(self, runner: Runner) -> None:
        # Copied into the workers, which are started for each epoch.
        self._seed_image.epoch = runner.epoch

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        seed_draws(seed_from(runner.seed, runner.iter, runner.rank))


register_in_scopes("DATA_SAMPLERS", ResumableBatchSampler)
register_in_scopes("TRANSFORMS", SeedImage)
