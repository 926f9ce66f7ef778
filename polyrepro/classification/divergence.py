"""What counts for a run whose network has left the range of numbers: the accuracy of guessing.

Only a run that `may_diverge` ends like that, and its record says so; for any other run a loss that
is not finite is an error.
"""

import math

import torch

from polyrepro.losses import Series, leading_term
from polyrepro.runs import DIVERGED, Run


def rows_of_guessing(run: Run, position: int, classes: int, groups: tuple[str, ...]) -> list[dict]:
    """The last rows of the history, computed and not measured: a prediction needs a network.

    Args:
        position: steps after which the divergence was found.
        classes: of the data set.
        groups: names of the groups of classes whose accuracy is reported apart.
    """
    guess = guessing(run.loss.build(), classes, groups)
    scaled = {"temperature": 1.0}
    scaled |= {f"{name}_scaled": guess[name] for name in ("cross_entropy", "ece")}
    ends = {"train": {}, "validation": {}, "test": scaled | {DIVERGED: position}}
    return [
        {"epoch": run.recipe.epochs, "split": split} | guess | more for split, more in ends.items()
    ]


def guessing(series: Series, classes: int, groups: tuple[str, ...]) -> dict[str, float]:
    """The metrics of `Metrics.values` for the same probability of every class.

    Accuracies are expectations over ties; in balanced classes the calibration error is zero.
    """
    log_pt = torch.tensor([-math.log(classes)], dtype=torch.float64)
    part = leading_term(series, log_pt)
    whole = part.whole.item()
    top1 = 100 / classes
    return {
        "loss": series.value(log_pt).item(),
        "cross_entropy": math.log(classes),
        "top1": top1,
        "mean_pt": 1 / classes,
        "leading_share": part.share.item(),
        "ece": 0.0,
        "leading_share_weighted": part.leading.item() / whole if whole else 0.0,
        **{f"top1_{group}": top1 for group in groups},
    }
