"""Accuracies that another measurement of the same run contradicts.

Only contradictions that no training can produce are refused; what a table alone cannot show, its
records do (see `recomputed`).
"""

from pathlib import Path

import pandas as pd

from polyrepro.analysis.metrics_checks import MetricsError, row_number

TOLERANCE = 0.5
"""Points of accuracy: P_t may be averaged over batches, and rounded."""
SUM_TOLERANCE, LEAST_DIFFERENCE = 5.0, 20.0
"""Points: accuracy and error rate sum up to about 100, and are about the same at 50 %."""

RUN = ["study", "variant", "seed", "epoch"]


def check_exchanged(table: pd.DataFrame, path: Path) -> None:
    """Refuse an accuracy that looks like an error rate.

    An image whose P_t is above one half is classified correctly, so that the accuracy is at least
    twice the mean P_t less 1. And images of test and validation are of one kind, so that their
    accuracies do not add up to 100 % unless both are near one half.

    Raises:
        MetricsError: naming file, row and column, and how to mend it.
    """
    top1 = table[table["metric"] == "top1"]
    probability = table[table["metric"] == "mean_pt"].set_index([*RUN, "split"])["value"]
    # Training shows augmented images, and averages while the network changes.
    judged = top1[top1["split"] != "train"]
    found = probability.reindex(pd.MultiIndex.from_frame(judged[[*RUN, "split"]])).to_numpy()
    low = judged["value"] < 100 * (2 * found - 1) - TOLERANCE
    if low.any():
        row = int(judged.index[low][0])
        raise MetricsError(
            f"{path}, row {row_number(row)}, column value: top1 is {table['value'][row]:g} where "
            f"the mean P_t of the same images is {found[low.to_numpy()][0]:.3g}: at least "
            f"{100 * (2 * found[low.to_numpy()][0] - 1):.3g} % of them must be classified "
            "correctly; give accuracies, not error rates"
        )
    split = top1.pivot_table(index=RUN, columns="split", values="value")
    if not {"test", "validation"} <= set(split):
        return
    test, validation = split["test"], split["validation"]
    both = (test - validation).abs() > LEAST_DIFFERENCE
    both &= (test + validation - 100).abs() < SUM_TOLERANCE
    if both.any():
        at = pd.MultiIndex.from_frame(top1[RUN]) == both.index[both][0]
        row = int(top1.index[at & (top1["split"] == "test")][0])
        raise MetricsError(
            f"{path}, row {row_number(row)}, column value: top1 of the test images is "
            f"{test[both].iloc[0]:g}, of the validation images {validation[both].iloc[0]:g}: one "
            "of them is an error rate; give accuracies, 100 minus it"
        )
