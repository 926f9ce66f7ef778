"""A job: several runs in one process, because importing torch costs as much as a small run."""

import shutil
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from polyrepro.data import open_dataset
from polyrepro.files import record_path, require_writable, selection_path, write_json
from polyrepro.options import command
from polyrepro.plan import Plan, caches_of, parse_run_id, pretraining_run
from polyrepro.running.collection import nothing_collected
from polyrepro.running.current_run import locked, make_current
from polyrepro.running.determinism import determinism
from polyrepro.running.execution import Execution
from polyrepro.running.gpu_memory import gpu_memory
from polyrepro.running.loss_checks import check_losses
from polyrepro.running.progress import Progress, failure_noted_of
from polyrepro.running.records import finished_record, load_record, write_record
from polyrepro.running.run_folders import checkpoint_identity, run_folder
from polyrepro.running.selections import read_selection
from polyrepro.runs import WEIGHTS_FILE, InitialWeights, Run
from polyrepro.settings import Settings

TRAINERS = {
    "classification": ("polyrepro.classification.classifier_training", ("top1",)),
    "detection": ("polyrepro.detection.detector_training", ("box_ar100",)),
    "detection3d": ("polyrepro.detection.lidar.training3d", ("ap_l1", "ap40_moderate")),
    "segmentation": ("polyrepro.segmentation.segmentation_training", ("foreground_ap",)),
}
"""Kind of recipe to the module whose `train_run` trains it, and the metrics of which the first that
there is is printed: Waymo's and KITTI's differ."""


def train_batch(
    settings: Settings, run_ids: list[str], execution: Execution, *, receipt: Path | None = None
) -> None:
    """Train the runs that have no finished record, one after the other.

    SIGTERM, SIGUSR1 and Ctrl-C end the job after the current step, with a checkpoint to go on from.

    Args:
        settings: name the results folder, in which each record is written as soon as its run has
            finished, and the overrides.
        receipt: written last, so that it exists only if every run has a record; it maps run ids to
            the names of their folders.

    Raises:
        LossError: if a loss cannot be built or computes nonsense, before anything is trained.
    """
    results = Path(settings.results)
    require_writable(results)
    runs = [parse_run_id(run_id, settings.overrides) for run_id in run_ids]
    with nothing_collected():
        for kind in {run.recipe.kind for run in runs}:
            import_module(TRAINERS[kind][0])
        # Those of all jobs: a mistake is found before the first of them has trained anything.
        check_losses({run.id: run.variant.loss for run in (*runs, *Plan(settings).runs)})
    caches = caches_of(runs, settings)
    datasets = {
        name: open_dataset(name, results, caches.get(name))
        for name in {run.recipe.dataset for run in runs}
    }
    folders = {}
    for number, planned in enumerate(runs, start=1):
        noted = (
            failure_noted_of(results, planned.id) if execution.processes.first else nullcontext()
        )
        with noted:
            run = resolve_weights(resolve_prefix(planned, settings), settings)
            data = datasets[run.recipe.dataset]
            started = time.perf_counter()
            known = execution.processes.from_first(finished_record(results, run, data.citation))
            record = known or train_and_record(
                results, run, data, execution, tensorboard=settings.tensorboard
            )
            folders[run.id] = run_folder(results, run, data.citation).name
            if execution.processes.first:
                make_current(results, run, data.citation)
                seconds = None if known else time.perf_counter() - started
                line = progress_line(run, record, seconds)
                print(f"[{number}/{len(runs)}] {line}", file=sys.stderr, flush=True)
    if receipt is not None and execution.processes.first:
        write_json(receipt, folders)


def train_and_record(
    results: Path, run: Run, data, execution: Execution, *, tensorboard: bool = False
) -> dict:
    """Train a run, from its last checkpoint on, and write its record when it has finished.

    Args:
        tensorboard: write training curves for TensorBoard, too.

    Raises:
        RunInUseError: if another command trains this run.
    """
    trainer = import_module(TRAINERS[run.recipe.kind][0])
    with (
        locked(results, run, data.citation, execution) as folder,
        _progress(results, run, execution, tensorboard) as progress,
    ):
        execution = replace(execution, progress=progress, notes=[])
        identity = checkpoint_identity(run, data.citation)
        with (
            determinism(execution, run.recipe.precision),
            gpu_memory(run, execution.processes),
        ):
            outcome = trainer.train_run(run, data, folder, identity, execution)
        record = write_record(results, run, data.citation, outcome, execution)
        if execution.processes.first:
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return record


def _progress(
    results: Path, run: Run, execution: Execution, tensorboard: bool
) -> AbstractContextManager[Progress | None]:
    """The progress of a run, with its curves if they are wanted; nothing for ranks other than 0."""
    if not execution.processes.first:
        return nullcontext()
    curves = None
    if tensorboard:
        from polyrepro.running.curves import Curves

        curves = Curves(results, run)
    return Progress(results, run, curves)


def progress_line(run: Run, record: dict, seconds: float | None) -> str:
    """What a job prints of a run: how it ended, and its result."""
    test = next(row for row in reversed(record["history"]) if row["split"] == "test")
    metric = next(name for name in TRAINERS[run.recipe.kind][1] if name in test)
    how = "already finished" if seconds is None else f"trained in {seconds:.1f} s"
    counted = " (diverged; counts as guessing)" if record.get("diverged") else ""
    return f"{run.id}: {how}, test {metric} {test[metric]:.2f} %{counted}"


def resolve_prefix(run: Run, settings: Settings) -> Run:
    """Fill in the coefficients that the selection before this run has chosen.

    Raises:
        FileNotFoundError: if the selection has not been made.
    """
    if run.variant.after is None:
        return run
    path = selection_path(Path(settings.results), run.variant.after)
    if not path.exists():
        raise FileNotFoundError(
            f"{run.id} needs the coefficients chosen by {run.variant.after}, but {path} does not "
            f"exist; make it first: {command(settings, 'select', run.variant.after)}"
        )
    return run.model_copy(update={"prefix": tuple(read_selection(path)["epsilon"])})


def resolve_weights(run: Run, settings: Settings) -> Run:
    """Fill in the weights that the run starts from: given ones, or those of its pre-training.

    Raises:
        FileNotFoundError: if the pre-training has not finished.
    """
    before = pretraining_run(run, settings.overrides)
    if before is None:
        return run
    given = settings.weights.get(before.recipe.name)
    if given is None:
        results = Path(settings.results)
        path = record_path(results, before.id)
        # Whether its data are still the same was for its own job to find out.
        record = load_record(path) if path.exists() else {"identity": None}
        weights = path.parent / WEIGHTS_FILE
        expected = resolve_prefix(before, settings).identity()
        if record["identity"] != expected or not record["weights"] or not weights.exists():
            raise FileNotFoundError(
                f"{run.id} starts from the weights of {before.id}, which has not finished in "
                f"{results}; train it first: {command(settings, 'train', before.id)}, or give "
                f"other weights under `weights: {run.recipe.pretraining}` in the configuration"
            )
        given = InitialWeights(path=str(weights), sha256=record["weights"])
    return run.model_copy(update={"initial_weights": given})
