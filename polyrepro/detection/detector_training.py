"""What a job calls to train a detector: MMDetection's own runner, with our hooks."""

import contextlib
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.device import utils as device_of_mmengine
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner, TestLoop
from torch import nn

from polyrepro.compact_predictions import write_arrays
from polyrepro.data.coco.coco_evaluation import KINDS, evaluate_coco
from polyrepro.data.coco.coco_format import CocoData
from polyrepro.detection.configuration import (
    coco_place,
    evaluation_loader,
    evaluator,
    predicts_masks,
    run_config,
)
from polyrepro.detection.detection_errors import DetectionError, NonFiniteLossError
from polyrepro.detection.heads import classification_losses, unwrapped
from polyrepro.detection.hooks.poly_loss import PolyLossHook
from polyrepro.detection.hooks.target_probability import TargetProbabilityHook
from polyrepro.detection.readable_config import ReadableConfig
from polyrepro.detection.replacement import kind_of
from polyrepro.detection.resumable import ResumableHook
from polyrepro.detection.run_hooks import STATE_FILE, CourseHook, SaveAndStopHook
from polyrepro.files import PREDICTIONS_FILE, TARGET_PROBABILITY_FILE, naming_path
from polyrepro.losses.target_probability_sums import means_of
from polyrepro.running.checkpoints import Checkpoints
from polyrepro.running.execution import Execution
from polyrepro.running.records import Outcome
from polyrepro.runs import Run

Configure = Callable[[Path | None], Config]
"""From a checkpoint of mmengine to resume, or None, to the configuration of a training."""
Evaluated = tuple[dict[str, float], dict[str, np.ndarray]]
"""Metrics, and in the first process what was found in each image, compactly."""
Evaluate = Callable[[Runner, Config, str], Evaluated]
"""From a trained runner, its configuration and a split to what came out."""

SPLITS = ("validation", "test")


def train_run(
    run: Run, data: CocoData, folder: Path, identity: str, execution: Execution
) -> Outcome:
    """Train a detector in the run's folder, from its last checkpoint on, and evaluate it.

    Besides the history the folder gets `target_probability.jsonl` (P_t over training) and the
    predictions, as COCO results: `predictions_test.bbox.json`, `.segm.json`, and for validation;
    `predictions.npz` has what was found in each image, compactly.

    Args:
        identity: of run and data; checkpoints with another one are refused.

    Returns:
        The history: per epoch of training `loss`, `seconds`, `images_per_second`, `mean_pt` and,
        for foreground and background, `mean_pt_foreground`, `leading_share_foreground` and the
        like; for validation and test images, after the last epoch, the metrics of
        :func:`polyrepro.data.coco.coco_evaluation.evaluate_coco`.

    Raises:
        DetectionError: if the head's loss cannot be replaced, or classes do not match.
        CheckpointError: if there are checkpoints of another configuration.
        NonFiniteLossError: at the first loss that is not finite, before the optimiser steps; or if
            weights, running statistics or metrics are not finite in the end.
        InterruptedTrainingError: after a signal; the checkpoint is written.
    """
    masks = predicts_masks(run.recipe, data)

    def configure(resume_from: Path | None) -> Config:
        config = run_config(run, data, folder, execution, resume_from)
        config.test_evaluator = evaluator(data, "test", folder / "predictions_test", masks)
        return config

    def evaluate(runner: Runner, config: Config, split: str) -> Evaluated:
        return _evaluate(runner, config, data, split, folder, masks, execution)

    return train_detector(run, folder, identity, execution, configure, evaluate)


def train_detector(
    run: Run,
    folder: Path,
    identity: str,
    execution: Execution,
    configure: Configure,
    evaluate: Evaluate,
) -> Outcome:
    """What trainings on pictures and on point clouds have in common; see :func:`train_run`."""
    first = execution.processes.first
    checkpoints = Checkpoints(folder / "checkpoints", identity, execution.processes)
    resumed = checkpoints.newest()
    if resumed is None and first:
        (folder / TARGET_PROBABILITY_FILE).unlink(missing_ok=True)
    # mmengine takes a GPU wherever there is one.
    device_of_mmengine.DEVICE = execution.processes.device.type
    config = configure(resumed and resumed / STATE_FILE)
    course = CourseHook()
    # pycocotools prints; standard output belongs to the command.
    with contextlib.redirect_stdout(sys.stderr):
        runner = Runner.from_cfg(ReadableConfig.of(config))
        for hook in _hooks(runner, run, checkpoints, execution, course):
            runner.register_hook(hook)
        runner.train()
        _require_finite_state(run, runner.model)
        evaluated, matches = [], {}
        for split in SPLITS:
            metrics, of_split = evaluate(runner, config, split)
            row = {"epoch": run.recipe.epochs, "split": split}
            evaluated.append(row | _finite(run, split, metrics))
            matches |= {f"{split}_{name}": values for name, values in of_split.items()}
    if not first:
        return Outcome(evaluated)
    rows = _with_target_probability(course.rows, folder / TARGET_PROBABILITY_FILE)
    predictions = write_arrays(folder / PREDICTIONS_FILE, matches) if matches else None
    return Outcome(rows + evaluated, predictions=predictions)


def loss_hooks(model: nn.Module, run: Run) -> list[PolyLossHook]:
    """What puts the run's loss in place of the head's; nothing if the head computes it anyway.

    Raises:
        DetectionError: for label smoothing or alpha, and for heads whose loss cannot be replaced.
    """
    if run.loss.label_smoothing:
        raise DetectionError(
            f"{run.id}: label smoothing is not defined for the losses of detectors; leave it out "
            "of the variant's loss"
        )
    if run.loss.alpha is not None:
        raise DetectionError(
            f"{run.id}: the alpha of a detector's focal loss is that of its head; leave it out of "
            "the variant's loss"
        )
    series = run.loss.build()
    stock = [kind_of(place.loss, place.path).series for place in classification_losses(model)]
    return [] if all(own == series for own in stock) else [PolyLossHook(series=series)]


def _hooks(
    runner: Runner, run: Run, checkpoints: Checkpoints, execution: Execution, course: CourseHook
) -> list[Hook]:
    stateful = {"course": course, "target_probability": TargetProbabilityHook()}
    return [
        *loss_hooks(runner.model, run),
        *(HOOKS.build({"type": name}) for name in ("ClassCountHook", "FiniteLossHook")),
        ResumableHook(),
        *stateful.values(),
        SaveAndStopHook(checkpoints, run.id, execution, stateful),
    ]


def _require_finite_state(run: Run, model: nn.Module) -> None:
    """NaN in the weights would not be noticed in evaluation: it finds no objects, an AP of 0."""
    for name, value in unwrapped(model).state_dict().items():
        if value.is_floating_point() and not value.isfinite().all():
            raise NonFiniteLossError(
                f"{run.id}: {name} is not finite after the last step, so nothing was evaluated. "
                "Lower the learning rate or choose another loss"
            )


def _finite(run: Run, split: str, metrics: dict[str, float]) -> dict[str, float]:
    wrong = [f"{name} = {value}" for name, value in metrics.items() if not math.isfinite(value)]
    if wrong:
        raise NonFiniteLossError(
            f"{run.id}: the evaluation on the {split} images gives {', '.join(wrong)}; look at the "
            f"predictions and at the annotations of this split"
        )
    return metrics


def _with_target_probability(rows: list[dict], path: Path) -> list[dict]:
    """The rows of training, with means of P_t and shares of the leading term of their epochs."""
    found = {}
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        found[entry["epoch"]] = means_of(entry)
    return [row | found.get(row["epoch"], {}) for row in rows]


def _evaluate(
    runner: Runner,
    config: Config,
    data: CocoData,
    split: str,
    folder: Path,
    masks: bool,
    execution: Execution,
) -> Evaluated:
    """Write the predictions for a split, then average precision and recall from the files.

    Returns:
        The metrics, and in the first process the matches of each image that they were made of.
    """
    prefix = folder / f"predictions_{split}"
    loader = evaluation_loader(config, coco_place(data, split))
    metric = evaluator(data, split, prefix, masks)
    with naming_path(folder):
        TestLoop(runner=runner, dataloader=loader, evaluator=metric).run()
    found, matches = {}, {}
    if execution.processes.first:
        for kind in KINDS if masks else ("bbox",):
            predictions = Path(f"{prefix}.{kind}.json")
            metrics, of_kind = evaluate_coco(data.annotations[split], predictions, kind)
            found, matches = found | metrics, matches | of_kind
    return execution.processes.from_first(found), matches
