"""A metric over the first coefficient, with what was chosen and what the paper reports."""

import math

from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator

from polyrepro.analysis.published import published_statements, statement_of
from polyrepro.figures import scales, style
from polyrepro.figures.measured import Measured
from polyrepro.studies import STUDIES

AXIS_LABEL = r"first coefficient $\epsilon_1$"
LEFT = -5.0
"""Points between a published gain and the mean that it might cover; the seeds are on the right."""


def draw_epsilon_curve(
    axes: Axes, measured: Measured, reference_label: str = "cross-entropy"
) -> None:
    """A metric against the first coefficient; the reference is the point at 0 of the curve."""
    measured = measured.epsilon_curve
    x, reference = measured.epsilon1.sort_values(), measured.is_reference
    axes.plot(x, measured.rows.loc[x.index, "mean"], color=style.POLY)
    look = {"colour": style.POLY, "label": "Poly-1", "line": "none"}
    style.draw_measured(axes, x[~reference], measured, **look)
    look = {"colour": style.CROSS_ENTROPY, "marker": "s", "label": reference_label}
    style.draw_measured(axes, x[reference], measured, line="none", **look)
    axes.set(xlabel=AXIS_LABEL)
    axes.xaxis.set_major_locator(MultipleLocator(1))
    axes.yaxis.set_major_locator(scales.plain_ticks())


def mark_selected(axes: Axes, measured: Measured, selection: str) -> None:
    """A ring around the point of an epsilon curve that a selection chose."""
    measured = measured.epsilon_curve
    chosen = measured.is_selected(selection)
    style.mark_selected(axes, measured.epsilon1[chosen], measured.rows.loc[chosen, "mean"])


def mark_published(axes: Axes, measured: Measured, study: str, metric: str) -> None:
    """The gain in a metric that the paper reports, at the coefficient that a claim compares."""
    measured = measured.epsilon_curve
    epsilons = measured.epsilon1
    axes.margins(x=0.12)
    for compared, gain in published_gains(study, metric).items():
        chosen = measured.is_selected(compared[1:])
        at = epsilons[chosen if compared.startswith("@") else epsilons.index == compared]
        if len(at):
            style.mark_published(axes, at.iloc[0], gain, LEFT)


def published_gains(study: str, metric: str) -> dict[str, float]:
    """Verified gains of the paper in a metric on test data, by the variant that has them.

    Returns:
        gains in the metric's unit, of claims of the study that compare a variant, or the winner
        of a `@selection`, with the reference and nothing else.
    """
    statements, found = published_statements(), {}
    for claim in STUDIES[study].claims:
        statement = statement_of(claim, statements)
        if statement is None or len(claim.contrasts) > 1:
            continue
        (contrast,) = claim.contrasts
        rest = {name: weight for name, weight in contrast.weights.items() if weight != 1}
        of_metric = contrast.metric == metric and contrast.split == "test"
        verified = statement["status"] == "verified" and math.isfinite(statement["gain"])
        if of_metric and verified and rest == {STUDIES[study].reference: -1}:
            (compared,) = contrast.weights.keys() - rest
            found[compared] = float(statement["gain"])
    return found
