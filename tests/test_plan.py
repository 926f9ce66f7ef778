"""From settings to runs and jobs: what is shared, and what waits for what."""

import json
import re

import pytest

from polyrepro.files import record_path, write_json
from polyrepro.plan import Plan, PlanError, parse_run_id
from polyrepro.running.jobs import resolve_weights
from polyrepro.runs import WEIGHTS_FILE, InitialWeights
from polyrepro.settings import Overrides, check_settings

FINE = "efficientnetv2_s_finetune_imagenet1k/poly1_e+2/seed0"
PRE = "efficientnetv2_s_imagenet21k/poly1_e+2/seed0"
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
    with pytest.raises(FileNotFoundError, match=re.escape(f"{PRE}, which has not finished")):
        resolve_weights(fine, tmp_path, Overrides(), {})
    path = record_path(tmp_path, PRE)
    write_json(path, {"identity": before.identity(), "weights": "a" * 64})
    (path.parent / WEIGHTS_FILE).write_bytes(b"")
    resolved = resolve_weights(fine, tmp_path, Overrides(), {})
    assert resolved.initial_weights.sha256 == "a" * 64
    assert resolved.identity() != fine.identity()
    with pytest.raises(FileNotFoundError):  # a pre-training with other epochs is another one
        resolve_weights(fine, tmp_path, Overrides(epochs=1), {})


def test_where_weights_lie_does_not_belong_to_the_identity_but_their_checksum_does():
    def identity(**changes):
        weights = {"efficientnetv2_s_imagenet21k": InitialWeights(**GIVEN | changes)}
        run = resolve_weights(parse_run_id(FINE, Overrides()), None, Overrides(), weights)
        assert "path" not in json.loads(run.model_dump_json())["initial_weights"]
        return run.identity()

    assert identity() == identity(path="elsewhere/s.safetensors")
    assert identity() != identity(sha256="1" * 64)
