"""Seeds and images as sources of noise, against simulated truths and stored predictions."""

import numpy as np
import pytest
from tidy_tables import full_table

from polyrepro.analysis.claims import evaluate_claims
from polyrepro.analysis.images import bootstrap_interval
from polyrepro.classification.predictions import Predictions, write_predictions
from polyrepro.data import load
from polyrepro.files import classifier_predictions_path


@pytest.mark.parametrize(
    ("between_seeds", "between_images"), [(0.0, 0.3), (0.01, 0.0), (0.01, 0.3)]
)
def test_coverage_over_seeds_and_images(between_seeds, between_images):
    """Effects of seeds, of images and of both together add up; the truth is 0."""
    random, covered = np.random.default_rng(0), 0
    for _ in range(200):
        differences = (
            random.normal(0, between_seeds, (5, 1))
            + random.normal(0, between_images, (1, 400))
            + random.normal(0, 0.1, (5, 400))
        )
        low, high = bootstrap_interval(differences, samples=200)
        covered += low <= 0 <= high
    assert 0.9 <= covered / 200 <= 0.99


def test_an_interval_over_images_too_is_wider_than_over_seeds_alone(tmp_path):
    """All seeds gain on the same 60 images of 1000 and lose on 20: seeds agree, images do not."""
    labels = load("fashion_mnist").splits["test"].labels
    random = np.random.default_rng(0)
    table = full_table("truncation", {}, seeds=4)
    table = table[table["metric"] == "top1"]
    for variant in ("cross_entropy", "truncated_n1", "truncated_n2"):
        for seed in range(4):
            predicted = labels.copy()
            wrong = random.choice(len(labels), random.integers(2, 9), replace=False)
            lost = slice(0, 60) if variant == "cross_entropy" else slice(60, 80)
            predicted[lost] = (labels[lost] + 1) % 10
            predicted[wrong] = (labels[wrong] + 1) % 10
            run_id = f"fashion_mnist/{variant}/seed{seed}"
            made = Predictions(predicted.astype("uint16"), np.full(len(labels), 0.5, "float32"))
            write_predictions(classifier_predictions_path(tmp_path, run_id), {"test": made})
            run = table["run"] == run_id
            at_end = run & (table["split"] == "test") & (table["epoch"] == 2)
            table.loc[at_end, "value"] = 100 * (predicted == labels).mean()
    claims = evaluate_claims(table, tmp_path).set_index("claim")
    row = claims.loc["few_terms_lose"].iloc[0]
    middle = (row["images_low"] + row["images_high"]) / 2
    assert middle == pytest.approx(row["measured"], abs=1e-6)
    assert row["images_high"] - row["images_low"] > 2 * (row["high"] - row["low"])
    assert claims.loc["many_terms_match", "images_low"].isna().any()


def test_without_predictions_there_is_no_such_interval(tmp_path):
    claims = evaluate_claims(full_table("truncation", {}), tmp_path)
    assert claims["images_low"].isna().all()


def test_a_single_seed_gives_none():
    assert np.isnan(bootstrap_interval(np.ones((1, 5)))).all()
