"""Test images as a second source of noise.

An interval over seeds speaks of the very images that were tested. Where each run kept its
predictions, images and seeds are drawn together: the pigeonhole bootstrap (Owen 2007), which
resamples rows and columns of the table of seeds by images independently. Its variance is corrected
for the few seeds, and the interval is that of t, as everywhere; the degrees of freedom
(Satterthwaite) lie between those of the seeds alone and, where images are nearly all of the noise,
infinity.

There is none of this for detectors: AP and AR are not means over images, and one bootstrap sample
of a COCO evaluation costs as much as the evaluation.
"""

import functools
import math
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from polyrepro.analysis.contrasts import Measurement
from polyrepro.analysis.inference import SIGNIFICANCE
from polyrepro.data import DATASETS, IMAGE_DATASETS, IMAGES32, ImageArrays, open_dataset
from polyrepro.data.indexed_images import IndexedImages
from polyrepro.files import classifier_predictions_path, data_folder

SAMPLES = 1000
NOTHING = (math.nan, math.nan)


def interval_over_seeds_and_images(
    measurement: Measurement, runs: pd.DataFrame, results: Path | None
) -> tuple[float, float]:
    """The interval of a contrast of accuracies, in points.

    Args:
        runs: `variant`, `seed`, `run` and `dataset` of the runs of the study.
        results: the folder of the runs.

    Returns:
        Both ends; NaN where the contrast is not one of accuracies of test images, a run kept no
        predictions, images have several labels, or there are fewer than two seeds.
    """
    contrast, seeds = measurement.contrast, list(measurement.values.index)
    of_accuracy = contrast.metric == "top1" and contrast.split == "test"
    if results is None or not of_accuracy or len(seeds) < 2 or not measurement.weights:
        return NOTHING
    runs = runs.set_index(["variant", "seed"]).sort_index()
    labels = _labels(runs["dataset"].iloc[0], results)
    total: np.ndarray | float = 0.0
    for variant, weight in measurement.weights.items():
        ids = [runs.loc[(variant, seed), "run"] for seed in seeds]
        paths = [classifier_predictions_path(results, run_id) for run_id in ids]
        if labels is None or not all(path.exists() for path in paths):
            return NOTHING
        total = total + weight * np.stack([correct(path, labels) for path in paths])
    low, high = bootstrap_interval(np.asarray(total))
    return 100 * low, 100 * high


def correct(path: Path, labels: np.ndarray) -> np.ndarray:
    """Which test images a run classified correctly, from its predictions: (images,) bool."""
    with np.load(path) as arrays:
        return arrays["test_classes"] == labels


def bootstrap_interval(
    differences: np.ndarray, confidence: float = 1 - SIGNIFICANCE, samples: int = SAMPLES
) -> tuple[float, float]:
    """Interval of the mean over seeds and images of a paired difference.

    Args:
        differences: (seeds, images); of two variants, with correct predictions as 1 and wrong ones
            as 0, the difference of the two.
        samples: of the bootstrap. The same data give the same interval.

    Returns:
        Both ends; NaN with fewer than two seeds.
    """
    seeds, images = differences.shape
    if seeds < 2:
        return NOTHING
    random = np.random.default_rng(0)
    of_seeds = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=samples) / seeds
    means = np.empty(samples)
    for number, weights in enumerate(of_seeds):
        counts = np.bincount(random.integers(images, size=images), minlength=images)
        means[number] = weights @ (differences @ counts) / images
    # Drawing n of n seeds makes their part of the variance too small by 1 / n of itself.
    between = differences.mean(axis=1).var(ddof=1) / seeds
    variance = means.var(ddof=1) + between / seeds
    if variance == 0:
        return NOTHING
    freedom = (seeds - 1) * (variance / between) ** 2 if between > 0 else math.inf
    half = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * math.sqrt(variance)
    mean = float(differences.mean())
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
