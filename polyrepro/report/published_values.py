"""The published numbers, pair by pair, and what readers should know about them."""

from pathlib import Path

import pandas as pd

from polyrepro.analysis.published import FOLDER, STATUSES, published_facts, published_numbers
from polyrepro.report.labels import listed, number, signed
from polyrepro.variants import coefficient

TABLE_1 = "Table 1, "
"""How the place of a number begins that was read in the paper's Table 1."""


def published_rows(folder: Path = FOLDER) -> list[dict]:
    """Baseline and Poly-1 of each published pair; both numbers are at least as sure as `status`."""
    rows = []
    for baseline, improved in _pairs(folder):
        known = improved["epsilon_status"] != "unknown"
        rows.append(
            {
                "dataset": baseline["dataset"],
                "model": baseline["model"],
                "metric": baseline["metric"],
                "baseline_loss": baseline["loss"],
                "baseline": number(baseline["value"], 1),
                "loss": improved["loss"],
                "epsilon": coefficient(improved["epsilon"]) if known else "unknown",
                "value": number(improved["value"], 1),
                "gain": signed(improved["value"] - baseline["value"], 1),
                "status": _status(baseline, improved),
            }
        )
    return rows


def verified_counts(folder: Path = FOLDER) -> dict[str, int]:
    """How many pairs were read in the paper's Table 1, and how many of them are on LiDAR."""
    pairs = [pair for pair in _verified(folder) if pair[1]["place"].startswith(TABLE_1)]
    lidar = [pair for pair in pairs if pair[1]["task"] == "3D detection"]
    return {"all": len(pairs), "lidar": len(lidar)}


def misattributions() -> list[dict]:
    """Numbers that summaries of the paper attribute to the wrong data."""
    facts = published_facts()
    rows = facts[facts.index.str.startswith("misattributed")]
    return [{"quantity": r.quantity, "value": r.value, "note": r.note} for r in rows.itertuples()]


def gains_and_noise(folder: Path = FOLDER) -> dict[str, str]:
    """The published gains in accuracy beside the noise of public trainings, in points."""
    pairs = [pair for pair in _verified(folder) if pair[1]["task"] == "classification"]
    gains = sorted({number(better["value"] - baseline["value"], 1) for baseline, better in pairs})
    return {
        "gains": listed(gains),
        "noise": published_facts(folder).loc["noise_imagenet", "value"],
    }


def _pairs(folder: Path) -> list[tuple[pd.Series, pd.Series]]:
    """Baseline and each number that is compared with it: of the same data, model and metric."""
    numbers = published_numbers(folder).fillna({"note": "", "epsilon_status": ""})
    return [
        (group.iloc[0], improved)
        for _, group in numbers.groupby(["dataset", "model", "metric"], sort=False)
        for _, improved in group.iloc[1:].iterrows()
    ]


def _verified(folder: Path) -> list[tuple[pd.Series, pd.Series]]:
    return [pair for pair in _pairs(folder) if _status(*pair) == "verified"]


def _status(baseline: pd.Series, improved: pd.Series) -> str:
    """That of the less sure number; a difference is no surer."""
    return max(baseline["status"], improved["status"], key=STATUSES.index)
