"""Gradient-boosted trees on the noisy sinc, one fit per loss, noise and seed, each made once.

Squared, absolute and quantile losses, and a Huber loss whose delta follows the residuals, are
scikit-learn's. Huber's loss with a fixed delta, and any loss given by its derivatives, are fitted
by LightGBM.
"""

from functools import cache

import numpy as np

# LightGBM needs an OpenMP library; torch brings one, where the system has none.
import torch

from polyrepro.atlas.noisy_sinc import GRID, Noise, noisy_sinc
from polyrepro.atlas.regression_losses import RegressionLoss
from polyrepro.losses.checks import check_positive

SEEDS = range(20)
TREES, LEARNING_RATE, DEPTH, LEAF = 40, 0.3, 3, 15
SETTINGS = {
    "learning_rate": LEARNING_RATE,
    "max_depth": DEPTH,
    "num_leaves": 2**DEPTH,
    "min_data_in_leaf": LEAF,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
    "seed": 0,
}
"""Of LightGBM; scikit-learn's model has the same trees, rate, depth and leaves."""


@cache
def predictions(loss: str, noise: Noise, seed: int) -> np.ndarray:
    """What scikit-learn's boosted trees predict on the grid, with its default alpha."""
    return boosted_trees(loss, *noisy_sinc(noise, seed)).predict(GRID)


@cache
def quantile_trees(quantile: float, noise: Noise, seed: int):
    """The fitted trees of a quantile loss."""
    return boosted_trees("quantile", *noisy_sinc(noise, seed), alpha=quantile)


def boosted_trees(loss: str, inputs: np.ndarray, targets: np.ndarray, alpha: float = 0.9):
    """A fitted `sklearn.ensemble.GradientBoostingRegressor`.

    Args:
        loss: "squared_error", "absolute_error", "huber" or "quantile".
        alpha: the quantile, of the loss itself or (huber) of the absolute residuals.
    """
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(
        loss=loss,
        alpha=alpha,
        n_estimators=TREES,
        learning_rate=LEARNING_RATE,
        max_depth=DEPTH,
        min_samples_leaf=LEAF,
        random_state=0,
    )
    return model.fit(inputs, targets)


@cache
def huber_predictions(delta: float, noise: Noise, seed: int) -> np.ndarray:
    """What trees boosted with Huber's loss of a fixed delta predict on the grid.

    Args:
        delta: > 0, in the unit of the targets.
    """
    check_positive("delta", delta)
    import lightgbm

    data = lightgbm.Dataset(*noisy_sinc(noise, seed))
    settings = SETTINGS | {"objective": "huber", "alpha": delta}
    return lightgbm.train(settings, data, TREES).predict(GRID)


def newton_boosted(
    loss: RegressionLoss,
    inputs: np.ndarray,
    targets: np.ndarray,
    start: float = 0.0,
    penalty: float = 0.0,
):
    """A LightGBM model fitted by a loss's gradient and second derivative, from a constant start.

    Args:
        penalty: >= 0, added to a leaf's second derivative (LightGBM's `lambda_l2`).

    Returns:
        the `lightgbm.Booster`; its predictions do not contain the start.
    """
    import lightgbm

    def derivatives(predicted: np.ndarray, data) -> tuple[np.ndarray, np.ndarray]:
        residual = torch.from_numpy(np.asarray(data.get_label() - predicted, dtype=np.float64))
        return loss.gradient(residual).numpy(), loss.second_derivative(residual).numpy()

    data = lightgbm.Dataset(inputs, targets, init_score=np.full(len(targets), start))
    settings = SETTINGS | {"objective": derivatives, "lambda_l2": penalty}
    return lightgbm.train(settings, data, TREES)
