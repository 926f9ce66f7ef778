"""Hinge loss is sparse: its solution rests on few samples, that of logistic loss on all."""

from functools import cache

import numpy as np
from matplotlib.figure import Figure

from polyrepro.atlas.drawing import BLUE, DASHED, GREY, INK, RED, name_panels, wide_figure
from polyrepro.atlas.statements import SURVEY, Finding, finding, states, tiny

SAMPLES, SEEDS = 200, range(10)
CENTRES = np.array([[-1.2, -1.2], [1.2, 1.2]])
STRENGTH = 1.0
"""Both models have the same penalty on their weights (C in scikit-learn)."""


@cache
def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two normal clouds in the plane, `(samples, 2)`, and labels 0 and 1."""
    generator = np.random.default_rng(seed)
    labels = np.arange(SAMPLES) % 2
    return CENTRES[labels] + generator.normal(size=(SAMPLES, 2)), labels


def hinge_model(points: np.ndarray, labels: np.ndarray):
    """A linear support vector machine."""
    from sklearn.svm import SVC

    return SVC(kernel="linear", C=STRENGTH, tol=1e-6).fit(points, labels)


def logistic_model(points: np.ndarray, labels: np.ndarray):
    """Logistic regression with the same penalty."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=STRENGTH, tol=1e-8).fit(points, labels)


@states("The solution of hinge loss is sparse: only the support vectors count.", SURVEY)
def hinge_loss_is_sparse() -> Finding:
    counts = [len(hinge_model(*blobs(seed)).support_) for seed in SEEDS]
    moves = [_change_without_the_others(hinge_model, seed) for seed in SEEDS]
    text = f"{np.mean(counts):.1f} of {SAMPLES} samples are support vectors (mean of {len(SEEDS)} "
    text += "draws); largest change of the weights if fitted to them alone "
    text += tiny(max(moves))
    return finding(max(moves) < 1e-3 and max(counts) < SAMPLES / 3, text)


@states("Logistic loss has no such sparsity: every sample counts.", SURVEY)
def logistic_loss_is_not_sparse() -> Finding:
    moves = [_change_without_the_others(logistic_model, seed) for seed in SEEDS]
    points, labels = blobs(0)
    chance = logistic_model(points, labels).predict_proba(points)[np.arange(SAMPLES), labels]
    text = f"every sample has a gradient, the least {1 - chance.max():.1e}; fitted to the support "
    text += f"vectors alone the weights change by {min(moves):.2f} at least"
    return finding(min(moves) > 0.05 and chance.max() < 1, text)


def figure() -> Figure:
    """Both solutions, fitted to all samples and to the support vectors alone."""
    drawing, panels = wide_figure(2.6, ncols=2, sharey=True)
    points, labels = blobs(0)
    support = hinge_model(points, labels).support_
    for axes, fit in zip(panels, (hinge_model, logistic_model), strict=True):
        for label, colour, marker in ((0, RED, "o"), (1, BLUE, "^")):
            cloud = points[labels == label]
            axes.plot(*cloud.T, marker, color=colour, markersize=2.2, label=f"class {label}")
        axes.plot(
            *points[support].T,
            "o",
            markersize=6,
            markerfacecolor="none",
            markeredgecolor=GREY,
            markeredgewidth=0.8,
            label="support vector",
        )
        _draw_boundary(axes, fit(points, labels), INK, "-", "fitted to all")
        few = fit(points[support], labels[support])
        _draw_boundary(axes, few, "#E69F00", DASHED, "fitted to the support vectors")
        axes.set(xlabel="$x_1$", xlim=(-4, 4), ylim=(-4, 4))
    panels[0].set(ylabel="$x_2$")
    name_panels(panels, ["hinge loss", "logistic loss"])
    drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return drawing


def _draw_boundary(axes, model, colour: str, line, label: str) -> None:
    (first, second), (bias,) = model.coef_[0], model.intercept_
    x = np.array([-4, 4])
    axes.plot(x, -(first * x + bias) / second, color=colour, linestyle=line, label=label)


def _change_without_the_others(fit, seed: int) -> float:
    """How far the weights move, relative to their length, if only the support vectors are kept."""
    points, labels = blobs(seed)
    support = hinge_model(points, labels).support_
    before = _weights(fit(points, labels))
    after = _weights(fit(points[support], labels[support]))
    return float(np.linalg.norm(after - before) / np.linalg.norm(before))


def _weights(model) -> np.ndarray:
    return np.append(model.coef_[0], model.intercept_)
