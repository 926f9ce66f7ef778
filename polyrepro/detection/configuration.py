"""From a run to a configuration of MMDetection's runner."""

import math
import time
from pathlib import Path

from mmengine.config import Config
from mmengine.hub import get_config

from polyrepro.data.coco.coco_format import CocoData
from polyrepro.data.verified_splits import DetectionData
from polyrepro.detection import small_models
from polyrepro.detection.detection_errors import DetectionError
from polyrepro.detection.registry import with_one_reader
from polyrepro.detection.resumable import ResumableBatchSampler, SeedImage
from polyrepro.recipes.detection import DetectionRecipe
from polyrepro.recipes.detection3d import Detection3DRecipe
from polyrepro.running.execution import Execution
from polyrepro.runs import Run

CLIP_NORM = 10.0
EVALUATION_BATCH = 10
"""Images per forward pass of a light detector in evaluation."""


def run_config(
    run: Run, data: CocoData, folder: Path, execution: Execution, resume_from: Path | None
) -> Config:
    """The configuration of a training, without its hooks.

    Args:
        folder: the run's; logs and the course of P_t are written there.
        resume_from: a checkpoint of mmengine to resume.

    Raises:
        DetectionError: if the batch cannot be divided among the processes.
    """
    recipe = run.recipe
    config = _light(run, data) if recipe.config is None else _packaged(run, data)
    _set_loaders(config, run, data, execution)
    finish(config, run, folder, execution, resume_from)
    return config


def finish(
    config: Config, run: Run, folder: Path, execution: Execution, resume_from: Path | None
) -> None:
    """What every training of a detector has, of pictures and of point clouds; changes `config`."""
    config.default_hooks.checkpoint = None  # ours are atomic and resume at any step
    config.work_dir = str(folder)
    # mmengine keeps state in this process under the name of the experiment.
    config.experiment_name = f"{run.id.replace('/', '_')}_{time.monotonic_ns()}"
    config.randomness = {"seed": run.seed}
    config.launcher = "none" if execution.processes.control is None else "pytorch"
    # By default mmengine names a device, which a model on the CPU must not have.
    if execution.processes.device.type == "cpu":
        config.model_wrapper_cfg = {
            "type": "MMDistributedDataParallel",
            "broadcast_buffers": False,
            "device_ids": None,
        }
    config.train_cfg = {
        "type": "EpochBasedTrainLoop",
        "max_epochs": run.recipe.epochs,
        "val_interval": run.recipe.epochs,
    }
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.test_cfg = {"type": "TestLoop"}
    if resume_from is not None:
        config.load_from, config.resume = str(resume_from), True


def evaluator(data: CocoData, split: str, prefix: Path, masks: bool) -> dict:
    """Writes predictions in COCO's format to ``<prefix>.bbox.json`` and ``<prefix>.segm.json``."""
    return {
        "type": "CocoMetric",
        "ann_file": str(data.annotations[split]),
        "metric": ["bbox", "segm"] if masks else ["bbox"],
        "format_only": True,
        "outfile_prefix": str(prefix),
    }


def evaluation_loader(config: Config, place: dict) -> dict:
    """The test data loader of a configuration, for another split: what :func:`place_of` gives."""
    loader = config.test_dataloader.to_dict()
    loader["dataset"].update(place)
    return loader


def predicts_masks(recipe: DetectionRecipe, data: CocoData) -> bool:
    """Whether the detector has a mask head; a light one has none where the data have no masks."""
    return recipe.detector == "mask_rcnn" and data.masks


def place_of(data: DetectionData, split: str, **folders: Path) -> dict:
    """Where a data set of MMDetection finds a split; `folders` by the names that it gives them."""
    return {
        "ann_file": str(data.annotations[split]),
        "data_prefix": {name: str(folder) for name, folder in folders.items()},
        "data_root": "",
        "metainfo": {"classes": data.classes},
    }


def coco_place(data: CocoData, split: str) -> dict:
    """Where annotations and images of a split are."""
    return place_of(data, split, img=data.images[split])


def _packaged(run: Run, data: CocoData) -> Config:
    """A configuration that MMDetection ships, with this run's learning rate, scale and schedule."""
    recipe = run.recipe
    if recipe.detector == "mask_rcnn" and not data.masks:
        raise DetectionError(
            f"{recipe.config} needs masks, but {data.name} has objects without `segmentation`"
        )
    config = get_config(recipe.config)
    config.optim_wrapper.optimizer.lr = run.learning_rate
    for scheduler in config.param_scheduler:
        if recipe.milestones and scheduler.type == "MultiStepLR":
            scheduler.update(milestones=list(recipe.milestones), end=recipe.epochs)
    if recipe.scale is not None:
        _set_scale(config, recipe.scale)
    config.auto_scale_lr = None
    config.default_hooks.pop("visualization")
    config.custom_hooks = config.get("custom_hooks") or []
    return config


def _set_scale(config: Config, scale: tuple[int, int]) -> None:
    for loader in (config.train_dataloader, config.test_dataloader):
        (resize,) = (step for step in loader.dataset.pipeline if step.type == "Resize")
        resize.scale = scale


def _light(run: Run, data: CocoData) -> Config:
    """A light detector, trained with AdamW and a cosine."""
    recipe = run.recipe
    masks = predicts_masks(recipe, data)
    if recipe.detector == "mask_rcnn":
        model = small_models.mask_rcnn(len(data.classes), recipe.frozen, masks)
    else:
        model = small_models.retinanet(len(data.classes), recipe.frozen)
    images = data.count("train", recipe.train_images)
    annotations = {"type": "LoadAnnotations", "with_bbox": True, "with_mask": masks}
    resize = {"type": "Resize", "scale": (recipe.image_size,) * 2, "keep_ratio": True}
    flip = {"type": "RandomFlip", "prob": 0.5}
    load, pack = {"type": "LoadImageFromFile"}, {"type": "PackDetInputs"}
    keys = ("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")
    return Config(
        {
            "default_scope": "mmdet",
            "model": model,
            "load_from": str(small_models.WEIGHTS),
            **light_training(run, images),
            "train_dataloader": {
                "sampler": {"type": "DefaultSampler", "shuffle": True},
                "dataset": {
                    "type": "CocoDataset",
                    "pipeline": [load, annotations, resize, flip, pack],
                    "filter_cfg": {"filter_empty_gt": False},
                },
            },
            "test_dataloader": {
                "batch_size": EVALUATION_BATCH,
                "sampler": {"type": "DefaultSampler", "shuffle": False},
                "dataset": {
                    "type": "CocoDataset",
                    "pipeline": [load, resize, {**pack, "meta_keys": keys}],
                    "test_mode": True,
                },
            },
        }
    )


def light_training(run: Run, samples: int) -> dict:
    """How every light detector is trained, of pictures and of point clouds."""
    recipe = run.recipe
    return {
        "optim_wrapper": {
            "type": "OptimWrapper",
            "optimizer": {
                "type": "AdamW",
                "lr": run.learning_rate,
                "weight_decay": recipe.weight_decay,
            },
            "clip_grad": {"max_norm": CLIP_NORM},
        },
        "param_scheduler": _warmup_and_cosine(recipe, samples),
        "default_hooks": {"logger": {"type": "LoggerHook", "interval": 50}},
        "custom_hooks": [],
        "log_level": "WARNING",
    }


def _warmup_and_cosine(recipe: DetectionRecipe | Detection3DRecipe, samples: int) -> list[dict]:
    """A linear warm-up, then a cosine to zero; at least one step is left for the cosine."""
    steps = recipe.epochs * math.ceil(samples / recipe.batch_size)
    warmup = min(math.ceil(recipe.warmup * steps), steps - 1)
    cosine = {
        "type": "CosineAnnealingLR",
        "by_epoch": False,
        "begin": warmup,
        "end": steps,
        "T_max": steps - warmup,
    }
    if not warmup:
        return [cosine]
    factor = 1 / (warmup + 1)
    return [
        {"type": "LinearLR", "start_factor": factor, "by_epoch": False, "begin": 0, "end": warmup},
        cosine,
    ]


def _set_loaders(config: Config, run: Run, data: CocoData, execution: Execution) -> None:
    """The run's images, batch, workers; training that can be resumed at any step."""
    train, test = config.train_dataloader.dataset, config.test_dataloader.dataset
    train.update(**coco_place(data, "train"), pipeline=with_one_reader(train.pipeline))
    test.update(**coco_place(data, "test"), pipeline=with_one_reader(test.pipeline))
    make_resumable(config, run, data, execution)


def make_resumable(config: Config, run: Run, data: DetectionData, execution: Execution) -> None:
    """Data loaders with the run's batch and workers, which can be resumed at any step.

    Raises:
        DetectionError: if the batch cannot be divided among the processes.
    """
    recipe, processes = run.recipe, execution.processes.count
    if recipe.batch_size % processes:
        raise DetectionError(
            f"{run.id}: {recipe.batch_size} images per step cannot be divided among {processes} "
            "processes; choose another processes_per_run"
        )
    workers = {"num_workers": execution.workers, "persistent_workers": False}
    train = config.train_dataloader
    train.update(**workers, batch_size=recipe.batch_size // processes)
    train.batch_sampler = {
        "type": ResumableBatchSampler.__name__,
        "inner": train.get("batch_sampler"),
    }
    seed = {"type": SeedImage.__name__, "seed": run.seed}
    train.dataset.pipeline = [seed, *train.dataset.pipeline]
    if recipe.train_images is not None:
        train.dataset.indices = data.count("train", recipe.train_images)
    config.test_dataloader.update(**workers)
