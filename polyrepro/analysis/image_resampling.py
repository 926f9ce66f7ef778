"""Test images as a second source of noise.

An interval over seeds speaks of the very images that were tested. Where each run kept its
predictions, images and seeds are drawn together: the pigeonhole bootstrap (Owen 2007), which
resamples rows and columns of the table of seeds by images independently. Its variance is corrected
for the few seeds and for what seeds and images do together, which it counts three times. The
interval is that of t, as everywhere; the degrees of freedom (Satterthwaite) lie between those of
the seeds alone and, where images are nearly all of the noise, infinity.

AP and AR, of boxes in point clouds too, and the metrics of a segmentation are no means over images.
They are computed again for each drawn set of images, from what a run has kept of each image (see
`resampled_metrics`).
"""

import functools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd

from polyrepro.analysis.contrasts import Measurement
from polyrepro.analysis.inference import student_quantile
from polyrepro.analysis.resampled_metrics import RESAMPLED, kept_images, weighted_metric
from polyrepro.analysis.significance import CONFIDENCE
from polyrepro.compact_predictions import read_arrays
from polyrepro.data import DATASETS, IMAGE_DATASETS, IMAGES32, ImageArrays, open_dataset
from polyrepro.data.indexed.indexed_images import IndexedImages
from polyrepro.files import compact_predictions_path, data_folder, record_path

SAMPLES = 1000
DETECTOR_SAMPLES = 300
"""A variance from so many samples has a standard error of 8 %, and each costs an evaluation."""

NOTHING = (math.nan, math.nan)


def interval_over_seeds_and_images(
    measurement: Measurement, runs: pd.DataFrame, results: Path | None
) -> tuple[float, float]:
    """The interval of a contrast of accuracies, or of `RESAMPLED`, in points.

    Args:
        runs: `variant`, `seed`, `run` and `dataset` of the runs of the study.
        results: the folder of the runs.

    Returns:
        Both ends; NaN where the contrast is not one of these on test images, a run kept no
        predictions, images have several labels, or there are fewer than two seeds.

    Raises:
        PredictionsError: if the predictions of which a record speaks are missing or others.
    """
    contrast, seeds = measurement.contrast, list(measurement.values.index)
    shown = contrast.metric in ("top1", *RESAMPLED) and contrast.split == "test"
    if results is None or not shown or len(seeds) < 2 or not measurement.weights:
        return NOTHING
    runs = runs.set_index(["variant", "seed"]).sort_index()
    dataset = runs["dataset"].iloc[0]
    whole: list[float] = []
    samples: list[np.ndarray] = []
    for seed in seeds:
        own, drawn = 0.0, np.zeros(1)
        for variant, weight in measurement.weights.items():
            run_id = runs.loc[(variant, seed), "run"]
            found = resampled(results, run_id, dataset, contrast.metric)
            if found is None:
                return NOTHING
            own, drawn = own + weight * found[0], drawn + weight * found[1:]
        whole.append(own)
        samples.append(drawn)
    return bootstrap_interval(np.array(whole), np.stack(samples, axis=1))


@functools.lru_cache(maxsize=4096)
def resampled(results: Path, run_id: str, dataset: str, metric: str) -> np.ndarray | None:
    """A metric of a run: of the test images, then of each drawn set of as many.

    All runs on the same data get the same sets.

    Returns:
        (1 + samples,) in points; None if the run kept no predictions.

    Raises:
        PredictionsError: if they are missing or not those of the record.
    """
    record = record_path(results, run_id)
    sha256 = json.loads(record.read_bytes()).get("predictions") if record.exists() else None
    if sha256 is None:
        return None
    arrays = read_arrays(compact_predictions_path(results, run_id), sha256)
    if metric == "top1":
        labels = _labels(dataset, results)
        return None if labels is None else _accuracies(arrays["test_classes"] == labels)
    images = kept_images(arrays, metric)
    if images is None:
        return None
    counts = drawn_images(images, DETECTOR_SAMPLES)
    return weighted_metric(arrays, metric, np.vstack([np.ones_like(counts[:1]), counts]))


def _accuracies(correct: np.ndarray) -> np.ndarray:
    drawn = drawn_images(len(correct), SAMPLES) @ correct.astype(np.float32)
    return 100 * np.array([correct.mean(), *drawn / len(correct)])


@functools.lru_cache(maxsize=2)
def drawn_images(images: int, samples: int) -> np.ndarray:
    """How often each image is in each of the drawn sets: (samples, images).

    The same call gives the same sets.
    """
    random = np.random.default_rng(0)
    counts = np.empty((samples, images), np.float32)
    for row in counts:
        row[:] = np.bincount(random.integers(images, size=images), minlength=images)
    return counts


def bootstrap_interval(
    whole: np.ndarray, samples: np.ndarray, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Interval of the mean over seeds of a contrast, for new seeds and new images.

    Args:
        whole: (seeds,) the contrast on the test images.
        samples: (samples, seeds) the same on drawn sets of images; a row has one set.

    Returns:
        Both ends; NaN with fewer than two seeds. The same data give the same interval.
    """
    count, seeds = samples.shape
    if seeds < 2:
        return NOTHING
    random = np.random.default_rng(1)
    of_seeds = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=count) / seeds
    means = (of_seeds * samples).sum(axis=1)
    # Drawing n of n seeds makes their part of the variance too small by 1 / n of itself. What a
    # network does on an image at random is counted three times by drawing both: the images' part of
    # the variance falls with the number of seeds as far as it is of this kind.
    between = whole.var(ddof=1) / seeds
    of_images = samples.mean(axis=1).var(ddof=1)
    at_random = max((samples.var(axis=0, ddof=1).mean() - of_images) / (seeds - 1), 0)
    variance = max(means.var(ddof=1) + between / seeds - 2 * at_random, between)
    if variance == 0:
        return NOTHING
    freedom = (seeds - 1) * (variance / between) ** 2 if between > 0 else math.inf
    half = float(student_quantile(0.5 + confidence / 2, freedom)) * math.sqrt(variance)
    mean = float(whole.mean())
    return mean - half, mean + half


@functools.lru_cache(maxsize=4)
def _labels(dataset: str, results: Path) -> np.ndarray | None:
    """Labels of the test images; None where a data set is unknown or images have several."""
    verified = dataset in (*IMAGE_DATASETS, *IMAGES32) and data_folder(results, dataset).exists()
    data = open_dataset(dataset, results) if verified or dataset in DATASETS else None
    if isinstance(data, ImageArrays):
        return data.splits["test"].labels
    if isinstance(data, IndexedImages) and not data.several_labels:
        return data.index.labels[data.rows("test")]
    return None
