"""Seeds and images as sources of noise, against simulated truths and stored predictions."""

import numpy as np
import pytest
from tidy_tables import full_table

from polyrepro.analysis.claims import evaluate_claims
from polyrepro.analysis.images import bootstrap_interval, drawn_images
from polyrepro.classification.predictions import Predictions, write_predictions
from polyrepro.compact_predictions import PredictionsError, write_arrays
from polyrepro.data import load
from polyrepro.files import compact_predictions_path, record_path, write_json


def of_means(differences, samples=1000):
    """The interval of a contrast that is a mean over images: (seeds, images)."""
    count = differences.shape[1]
    drawn = drawn_images(count, samples) @ differences.T / count
    return bootstrap_interval(differences.mean(axis=1), drawn)


def stored(results, run_id, arrays):
    """Keep arrays as the predictions of a run, and a record that speaks of them."""
    sha256 = write_arrays(compact_predictions_path(results, run_id), arrays)
    write_json(record_path(results, run_id), {"predictions": sha256})


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
        low, high = of_means(differences, samples=200)
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
            path = compact_predictions_path(tmp_path, run_id)
            sha256 = write_predictions(path, {"test": made})
            write_json(record_path(tmp_path, run_id), {"predictions": sha256})
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
    assert np.isnan(of_means(np.ones((1, 5)))).all()


IMAGES, CLASSES = 60, 2


def detections(random, missed):
    """One object of each class in each image; nothing wrong is found, and `missed` not at all.

    With a precision of 1, AP is nearly the same as AR.
    """
    image, category = (part.ravel() for part in np.indices((IMAGES, CLASSES)))
    found = ~missed[image] & (random.random(image.size) < 0.95)
    image, category = image[found], category[found]
    order = np.lexsort([random.random(image.size), category])
    return {
        "test_box_objects": np.ones((IMAGES, CLASSES), np.uint16),
        "test_box_image": image[order].astype(np.uint32),
        "test_box_category": category[order].astype(np.uint16),
        "test_box_matched": np.full(image.size, 2**10 - 1, np.uint16),
        "test_box_ignored": np.zeros(image.size, np.uint16),
    }


def test_detectors_have_an_interval_over_images_too(tmp_path):
    """Poly-1 finds what cross-entropy misses in ten images of sixty, whatever the seed."""
    random = np.random.default_rng(0)
    table = full_table("mask_rcnn_epsilon", {"poly1_e-1": 3.0}, seeds=4)
    table = table[table["metric"].isin(["box_ar100", "box_ap"])]
    missed = {"cross_entropy": np.arange(IMAGES) < 10, "poly1_e-1": np.arange(IMAGES) < 0}
    for variant, of_variant in missed.items():
        for seed in range(4):
            run_id = f"fashion_mnist/{variant}/seed{seed}"
            stored(tmp_path, run_id, detections(random, of_variant))
    claims = evaluate_claims(table, tmp_path).drop_duplicates("claim").set_index("claim")
    for claim in ("mask_rcnn_box_ar", "mask_rcnn_box_ap"):
        row = claims.loc[claim]
        # A sixth of all objects, and the noise of 60 images: about sqrt(1/6 * 5/6 / 60).
        assert (row["images_low"] + row["images_high"]) / 2 == pytest.approx(16.7, abs=3.5)
        assert 2 * 3 < row["images_high"] - row["images_low"] < 4 * 1.96 * 4.8


def test_predictions_that_a_record_speaks_of_are_missed(tmp_path):
    """They were removed by hand, or are those of another run."""
    table = full_table("mask_rcnn_epsilon", {}, seeds=3)
    for variant in ("cross_entropy", "poly1_e-1"):
        for seed in range(3):
            made = detections(np.random.default_rng(seed), np.arange(IMAGES) < 0)
            stored(tmp_path, f"fashion_mnist/{variant}/seed{seed}", made)
    compact_predictions_path(tmp_path, "fashion_mnist/poly1_e-1/seed1").unlink()
    message = r"poly1_e-1/seed1/predictions\.npz: No such file.*trains the run again"
    with pytest.raises(PredictionsError, match=message):
        evaluate_claims(table, tmp_path)
