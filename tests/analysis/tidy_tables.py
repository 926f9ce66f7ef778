"""Small tables of the form of metrics.csv."""

import numpy as np
import pandas as pd
from small_studies import SMALL_STUDIES

ESSENTIAL = ["study", "variant", "seed", "metric", "split", "epoch", "value"]
"""The columns that a table made elsewhere needs."""


def metrics_table(
    values, study="epsilon_sweep", metric="top1", split="test", epochs=(1, 2), scale="embedded"
):
    """A tidy table with `values[variant]`, one per seed, at the last epoch and 0 before it."""
    rows = [
        {
            "study": study,
            "scale": scale,
            "recipe": "fashion_mnist",
            "variant": variant,
            "seed": seed,
            "dataset": "fashion_mnist",
            "model": "polyrepro_convnet",
            "label": variant,
            "series": "PolySeries",
            "epsilon": "",
            "terms": pd.NA,
            "gamma": 0.0,
            "learning_rate": 0.1,
            "metric": metric,
            "split": split,
            "epoch": epoch,
            "value": value if epoch == max(epochs) else 0.0,
            "run": f"fashion_mnist/{variant}/seed{seed}",
            "chance": 10.0,
            "data_sha256": "ab",
        }
        for variant, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
        for epoch in epochs
    ]
    return pd.DataFrame(rows)


def full_table(study, gains, seeds=10, noise=0.05, scale="embedded"):
    """Both splits of a study with a given gain over its reference per variant, and small noise."""
    random = np.random.default_rng(0)
    common = random.normal(80, 2, seeds)
    names = [variant.name for variant in SMALL_STUDIES[study].variants_at(scale)]
    tables = []
    for metric in ("top1", "box_ar100", "box_ap", "mask_ar100", "mask_ap"):
        values = {
            name: common + gains.get(name, 0.0) + random.normal(0, noise, seeds) for name in names
        }
        tables += [
            metrics_table(values, study, metric, split, scale=scale)
            for split in ("validation", "test")
        ]
    return pd.concat(tables, ignore_index=True)


def end_of(table, variant, seed=1):
    """The row of a run's last epoch on test images."""
    chosen = (table["variant"] == variant) & (table["seed"] == seed) & (table["epoch"] == 2)
    return table.index[chosen & (table["split"] == "test")][0]


def written(table, path):
    table.to_csv(path, index=False)
    return path
