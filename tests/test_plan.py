"""From settings to runs and jobs: what is shared, and what waits for what."""

import re
from pathlib import Path

import pytest
import torch

from polyrepro.files import run_link, write_json
from polyrepro.plan import Plan, PlanError, parse_run_id
from polyrepro.running.current_run import make_current
from polyrepro.running.execution import Execution
from polyrepro.running.jobs import resolve_weights
from polyrepro.running.processes import Processes
from polyrepro.running.receipts import remove_stale_receipts
from polyrepro.running.records import Outcome, write_record
from polyrepro.runs import WEIGHTS_FILE
from polyrepro.settings import Overrides, check_settings

FINE = "efficientnetv2_s_finetune_imagenet1k/poly1_e+2/seed0"
PRE = "efficientnetv2_s_imagenet21k/poly1_e+2/seed0"
HERE = Execution(Processes(torch.device("cpu")))
GIVEN = {"path": "weights/s.safetensors", "sha256": "0" * 64}


def plan(**changes):
    settings = {"scale": "paper", "studies": "finetuning_s", "seeds": 2, "runs_per_job": 1}
    return Plan(check_settings(settings | {"results": "results/paper"} | changes))


def test_each_fine_tuning_waits_for_the_pretraining_of_its_loss_and_seed():
    planned = plan()
    assert len(planned.runs) == 8  # two losses, two seeds, both trainings
    fine = [b for b in planned.batches.values() if "finetune" in b.name]
    assert len(fine) == 4
    for batch in fine:
        (before,) = planned.batches_before(batch)
        run, earlier = batch.runs[0], planned.batches[before].runs[0]
        assert earlier.recipe.name == run.recipe.pretraining
        assert (earlier.variant, earlier.seed) == (run.variant, run.seed)


def test_a_pretraining_that_a_study_has_anyway_is_trained_once():
    both = plan(studies="pretraining_s,finetuning_s")
    assert [run.id for run in both.runs] == [run.id for run in plan().runs]


def test_given_weights_stand_in_for_the_pretraining():
    planned = plan(weights={"efficientnetv2_s_imagenet21k": GIVEN})
    assert {run.recipe.name for run in planned.runs} == {"efficientnetv2_s_finetune_imagenet1k"}
    assert all(planned.batches_before(batch) == [] for batch in planned.batches.values())


def test_a_cache_is_that_of_its_data_set_and_large_enough_for_all_its_recipes():
    cache = {"imagenet1k": {"folder": "/scratch/c"}, "imagenet21k": {"folder": "/scratch/d"}}
    planned = plan(studies="truncation", cache=cache)
    assert planned.caches == {"imagenet1k": (Path("/scratch/c"), 256)}
    with pytest.raises(
        PlanError,
        match=r"imagenet1k would be cached with shorter sides of 256 pixels, but "
        r"efficientnetv2_s_finetune_imagenet1k needs 384; give cache: "
        r"\{imagenet1k: \{shorter_side: 384\}\}, or leave the data set out of `cache`",
    ):
        _ = plan(cache=cache).caches
    cache["imagenet1k"]["shorter_side"] = "384"  # as Snakemake's command line has it
    assert plan(cache=cache).caches["imagenet1k"] == (Path("/scratch/c"), 384)


def test_overrides_reach_the_pretraining_and_must_fit_the_recipe():
    short = plan(overrides={"epochs": 1, "images_per_device": 64})
    assert {run.recipe.epochs for run in short.runs} == {1}
    assert {run.recipe.passes_per_step for run in short.runs} == {4096 // 64, 512 // 64}
    with pytest.raises(PlanError, match="512 is not a multiple of images_per_device 96"):
        parse_run_id(FINE, Overrides(images_per_device=96))


@pytest.mark.parametrize(
    "text",
    ["", "x", "../../etc/passwd", "../fashion_mnist/cross_entropy/seed0", "fashion_mnist/x/seed0"]
    + [f"fashion_mnist/cross_entropy/{seed}" for seed in ("seed-1", "seed", "0", "seed0/..")],
)
def test_a_run_id_is_never_a_path(text):
    with pytest.raises(PlanError, match="no study has a run"):
        parse_run_id(text, Overrides())


def test_a_run_starts_from_the_weights_that_its_pretraining_left(tmp_path):
    fine, before = parse_run_id(FINE, Overrides()), parse_run_id(PRE, Overrides())
    settings = plan(results=str(tmp_path)).settings
    with pytest.raises(FileNotFoundError, match=re.escape(f"{PRE}, which has not finished")):
        resolve_weights(fine, settings)
    data = {"dataset": "imagenet21k", "index_sha256": "0"}
    outcome = Outcome([{"epoch": 1, "split": "test", "top1": 1.0}], weights="a" * 64)
    write_record(tmp_path, before, data, outcome, HERE)
    make_current(tmp_path, before, data)
    (run_link(tmp_path, PRE) / WEIGHTS_FILE).write_bytes(b"")
    resolved = resolve_weights(fine, settings)
    assert resolved.initial_weights.sha256 == "a" * 64
    assert resolved.identity() != fine.identity()
    shorter = plan(results=str(tmp_path), overrides={"epochs": 1}).settings
    with pytest.raises(FileNotFoundError):  # a pre-training with other epochs is another one
        resolve_weights(fine, shorter)


@pytest.mark.parametrize("gone", ["record.json", "predictions.npz"])
def test_a_job_runs_again_if_a_file_of_its_runs_is_gone(tmp_path, gone):
    """Snakemake knows the receipt alone, and deletes and makes it."""
    settings = {"studies": "baselines", "seeds": 1, "results": str(tmp_path)}
    jobs = Plan(check_settings({"scale": "embedded_full", "runs_per_job": 99} | settings))
    (batch,) = jobs.batches.values()
    receipt = tmp_path / "batches" / f"{batch.name}.json"
    write_json(receipt, {run.id: f"seed{run.seed}.key" for run in batch.runs})
    for run in batch.runs:
        folder = run_link(tmp_path, run.id).with_name(f"seed{run.seed}.key")
        write_json(folder / "record.json", {"predictions": "a" * 64})
        (folder / "predictions.npz").write_bytes(b"")
    remove_stale_receipts(jobs)
    assert receipt.exists()
    (folder / gone).unlink()
    remove_stale_receipts(jobs)
    assert not receipt.exists()


def test_where_weights_lie_does_not_belong_to_the_identity_but_their_checksum_does():
    def identity(**changes):
        weights = {"efficientnetv2_s_imagenet21k": GIVEN | changes}
        settings = plan(weights=weights).settings
        return resolve_weights(parse_run_id(FINE, Overrides()), settings).identity()

    assert identity() == identity(path="elsewhere/s.safetensors")
    assert identity() != identity(sha256="1" * 64)
