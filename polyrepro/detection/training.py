"""What a job calls to train a detector: MMDetection's own runner, with our hooks."""

import contextlib
import json
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.device import utils as device_of_mmengine
from mmengine.registry import HOOKS
from mmengine.runner import Runner, TestLoop

from polyrepro.data.coco_format import CocoData
from polyrepro.detection.configuration import (
    evaluation_loader,
    evaluator,
    predicts_masks,
    run_config,
)
from polyrepro.detection.errors import DetectionError
from polyrepro.detection.evaluation import KINDS, coco_metrics
from polyrepro.detection.heads import classification_losses
from polyrepro.detection.hooks.target_probability import TargetProbabilityHook
from polyrepro.detection.replacement import kind_of
from polyrepro.detection.resumable import ResumableHook
from polyrepro.detection.run_hooks import CourseHook, SaveAndStopHook, checkpoint_to_resume
from polyrepro.detection.target_probability import GROUPS
from polyrepro.files import TARGET_PROBABILITY_FILE
from polyrepro.running.execution import Execution
from polyrepro.running.records import Outcome
from polyrepro.runs import Run

SPLITS = ("validation", "test")


def train_run(
    run: Run, data: CocoData, folder: Path, identity: str, execution: Execution
) -> Outcome:
    """Train a detector in the run's folder, from its last checkpoint on, and evaluate it.

    Besides the history the folder gets `target_probability.jsonl` (P_t over training) and the
    predictions, as COCO results: `predictions_test.bbox.json`, `.segm.json`, and for validation.

    Args:
        identity: of run and data; checkpoints with another one are refused.

    Returns:
        The history: per epoch of training `loss`, `seconds`, `images_per_second`, `mean_pt` and,
        for foreground and background, `mean_pt_foreground`, `leading_share_foreground` and the
        like; for validation and test images, after the last epoch, the metrics of
        :func:`polyrepro.detection.evaluation.coco_metrics`.

    Raises:
        DetectionError: if the loss is not what the head computes, or classes do not match.
        NonFiniteLossError: at the first loss that is not finite, before the optimiser steps.
        InterruptedTrainingError: after a signal; the checkpoint is written.
    """
    checkpoints = folder / "checkpoints"
    first = execution.processes.first
    resume_from = checkpoint_to_resume(checkpoints, identity) if first else None
    resume_from = execution.processes.from_first(resume_from)
    if resume_from is None and first:
        (folder / TARGET_PROBABILITY_FILE).unlink(missing_ok=True)
    # mmengine takes a GPU wherever there is one.
    device_of_mmengine.DEVICE = execution.processes.device.type
    config = run_config(run, data, folder, execution, resume_from)
    masks = predicts_masks(run.recipe, data)
    config.test_evaluator = evaluator(data, "test", folder / "predictions_test", masks)
    course = CourseHook()
    # pycocotools prints; standard output belongs to the command.
    with contextlib.redirect_stdout(sys.stderr):
        runner = Runner.from_cfg(config)
        _require_loss(runner, run)
        _register_hooks(runner, run, checkpoints, identity, execution, course)
        runner.train()
        evaluated = [
            {"epoch": run.recipe.epochs, "split": split}
            | _evaluate(runner, config, data, split, folder, masks, execution)
            for split in SPLITS
        ]
    if not first:
        return Outcome(evaluated)
    rows = _with_target_probability(course.rows, folder / TARGET_PROBABILITY_FILE)
    return Outcome(rows + evaluated)


def _require_loss(runner: Runner, run: Run) -> None:
    """The variant is Poly-1 .. Poly-N on the loss that the head has anyway."""
    for place in classification_losses(runner.model):
        gamma = kind_of(place.loss, place.path).series.gamma
        if run.loss.gamma != gamma or run.loss.terms is not None:
            raise DetectionError(
                f"{run.id}: the loss of {place.path} has gamma = {gamma:g} and all terms, so a "
                f"variant with gamma = {run.loss.gamma:g} and terms = {run.loss.terms} cannot be "
                "trained with it"
            )


def _register_hooks(
    runner: Runner,
    run: Run,
    checkpoints: Path,
    identity: str,
    execution: Execution,
    course: CourseHook,
) -> None:
    probabilities = TargetProbabilityHook()
    for hook in ("ClassCountHook", "FiniteLossHook"):
        runner.register_hook(HOOKS.build({"type": hook}))
    stateful = {"course": course, "target_probability": probabilities}
    runner.register_hook(ResumableHook())
    for hook in stateful.values():
        runner.register_hook(hook)
    runner.register_hook(SaveAndStopHook(checkpoints, identity, run.id, execution, stateful))


def _with_target_probability(rows: list[dict], path: Path) -> list[dict]:
    """The rows of training, with means of P_t and shares of the leading term of their epochs."""
    found = {}
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        seen = {group: entry[group] for group in GROUPS if entry[group]["count"]}
        count = sum(group["count"] for group in seen.values())
        # After a resume a line may be there twice; the last one belongs to the weights.
        found[entry["epoch"]] = {
            f"{name}_{group}": values[name]
            for group, values in seen.items()
            for name in ("mean_pt", "leading_share")
        } | {"mean_pt": sum(g["mean_pt"] * g["count"] for g in seen.values()) / count}
    return [row | found.get(row["epoch"], {}) for row in rows]


def _evaluate(
    runner: Runner,
    config: Config,
    data: CocoData,
    split: str,
    folder: Path,
    masks: bool,
    execution: Execution,
) -> dict[str, float]:
    """Write the predictions for a split, then average precision and recall from the files."""
    prefix = folder / f"predictions_{split}"
    loader, metric = evaluation_loader(config, data, split), evaluator(data, split, prefix, masks)
    TestLoop(runner=runner, dataloader=loader, evaluator=metric).run()
    found = {}
    if execution.processes.first:
        for kind in KINDS if masks else ("bbox",):
            found |= coco_metrics(data.annotations[split], Path(f"{prefix}.{kind}.json"), kind)
    return execution.processes.from_first(found)
