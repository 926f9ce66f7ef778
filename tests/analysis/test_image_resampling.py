"""Seeds and images as sources of noise, against simulated truths and stored predictions."""

import numpy as np
import pandas as pd
import pytest
from tidy_tables import full_table

from polyrepro.analysis.claims import evaluate_claims
from polyrepro.analysis.contrasts import Measurement
from polyrepro.analysis.image_resampling import (
    bootstrap_interval,
    drawn_images,
    interval_over_seeds_and_images,
)
from polyrepro.analysis.resampled_metrics import weighted_metric
from polyrepro.classification.predictions import Predictions, write_predictions
from polyrepro.compact_predictions import PredictionsError, write_arrays
from polyrepro.data import load
from polyrepro.data.lidar.waymo_curves import CUTOFFS
from polyrepro.files import compact_predictions_path, record_path, write_json
from polyrepro.segmentation.metrics import BINS
from polyrepro.studies.claim import against_reference


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
    ("between_seeds", "between_images", "at_random"),
    [(0.0, 0.3, 0.1), (0.01, 0.0, 0.1), (0.01, 0.3, 0.1), (0.0, 0.02, 0.3), (0.01, 0.02, 0.3)],
)
def test_coverage_over_seeds_and_images(between_seeds, between_images, at_random):
    """Effects of seeds, of images and of both together add up; the truth is 0."""
    random, covered = np.random.default_rng(0), 0
    for _ in range(300):
        differences = (
            random.normal(0, between_seeds, (5, 1))
            + random.normal(0, between_images, (1, 400))
            + random.normal(0, at_random, (5, 400))
        )
        low, high = of_means(differences, samples=200)
        covered += low <= 0 <= high
    assert 0.92 <= covered / 300 <= 0.98


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


def waymo_counts(random, missed):
    """Two vehicles per frame, both found with the same score unless the frame is missed."""
    right = np.where(missed, 0, 1 + (random.random(IMAGES) < 0.95))
    of_frame = np.stack([right, 0.9 * right, 0 * right, 2 - right, 2 - right], 1)
    counts = np.repeat(of_frame[:, :, None], len(CUTOFFS), 2).astype(np.float32)
    return {"test_lidar_vehicle": counts, "test_lidar_pedestrian": counts}


def kitti_counts(random, missed):
    """Two cars per frame, both found with one score unless the frame is missed."""
    frame = np.flatnonzero(~missed)
    right = np.broadcast_to(
        2 - (random.random(frame.size) < 0.05)[:, None, None], (frame.size, 2, 3)
    )
    arrays = {"objects": np.full((IMAGES, 3), 2, np.uint16), "frame": frame}
    arrays |= {"rank": np.arange(frame.size), "found": right, "right": right, "wrong": 0 * right}
    return {f"test_kitti_car_{name}": values for name, values in arrays.items()}


def scores(random, missed):
    """A thousand pixels of the foreground per sweep; missed ones score as the background does."""
    counts = np.zeros((IMAGES, 3, BINS), np.uint16)
    counts[:, 0, 100] = 1000
    lost = np.where(missed, 1000, random.integers(0, 20, IMAGES))
    counts[:, 1, 900], counts[:, 1, 100] = 1000 - lost, lost
    return {"test_scores": counts, "test_shown": np.zeros((1, 64, 360), np.uint8)}


@pytest.mark.parametrize(
    ("metric", "made", "gain"),
    [
        ("vehicle_ap_l1", waymo_counts, 16.7),
        ("car_ap40_moderate", kitti_counts, 16.7),
        ("bev_ap40_easy", kitti_counts, 16.7),
        ("foreground_ap", scores, 8.2),
    ],
)
def test_point_clouds_have_an_interval_over_frames_too(tmp_path, metric, made, gain):
    """Poly-1 finds what the focal loss misses in ten frames of sixty, whatever the seed."""
    random = np.random.default_rng(0)
    runs = []
    for variant, missed in (("focal_g2", 10), ("poly1_e+1_g2", 0)):
        for seed in range(4):
            run_id = f"recipe/{variant}/seed{seed}"
            stored(tmp_path, run_id, made(random, np.arange(IMAGES) < missed))
            runs.append({"variant": variant, "seed": seed, "run": run_id, "dataset": "scenes"})
    contrast = against_reference("poly1_e+1_g2", metric, reference="focal_g2")
    four = pd.Series(0.0, index=range(4))
    measurement = Measurement(contrast, contrast.weights, four, four, ())
    low, high = interval_over_seeds_and_images(measurement, pd.DataFrame(runs), tmp_path)
    assert (low + high) / 2 == pytest.approx(gain, abs=3)
    # Frames are nearly all of the noise: ten of sixty are missed.
    assert gain / 2 < high - low < 4 * 1.96 * 4.8


def test_sets_of_frames_have_the_metrics_of_their_frames():
    random = np.random.default_rng(0)
    arrays = waymo_counts(random, np.arange(IMAGES) < 10) | scores(random, np.arange(IMAGES) < 10)
    weights = drawn_images(IMAGES, 3)
    drawn = [np.repeat(np.arange(IMAGES), row.astype(int)) for row in weights]
    for metric in ("ap_l1", "vehicle_aph_l2", "foreground_precision", "vehicle_foreground_ap"):
        values = weighted_metric(arrays, metric, weights)
        again = [
            weighted_metric({n: a[rows] for n, a in arrays.items() if len(a) > 1}, metric, ones)
            for rows, ones in zip(drawn, np.ones((3, 1, IMAGES)), strict=True)
        ]
        assert values == pytest.approx(np.concatenate(again))


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
