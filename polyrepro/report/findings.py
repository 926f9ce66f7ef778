"""One computed sentence per study, beyond its claims. A study without one simply has none."""

import pandas as pd

from polyrepro.report.labels import METRIC_LABELS, interval, listed, number, signed
from polyrepro.variants import coefficient


def truncation(rows: pd.DataFrame, metrics: pd.DataFrame) -> str:
    """From which number of terms on the difference to cross-entropy is within noise."""
    table = _top1(rows).dropna(subset="terms").sort_values("terms")
    below = table[table["difference_high"] < 0]
    worst = table.loc[table["mean"].idxmin()]
    text = (
        f"The lowest accuracy is {number(worst['mean'], 1)} % with N = {worst['terms']:.0f} "
        f"({signed(worst['difference'], 1)} points). "
    )
    if table["difference_high"].isna().all():
        return text + "A single seed gives no intervals."
    if below.empty:
        return text + "At no number of terms does the interval exclude cross-entropy's accuracy."
    largest = below["terms"].max()
    text += f"The largest N whose interval lies wholly below cross-entropy is {largest:.0f}"
    beyond = table[table["terms"] > largest]
    if beyond.empty:
        return text + ", the largest tried: the series has not met cross-entropy yet."
    return text + f"; from N = {beyond['terms'].min():.0f} on the two cannot be told apart."


def truncation_lr(rows: pd.DataFrame, metrics: pd.DataFrame) -> str:
    """What the learning rate brings to a truncated loss, and what it leaves to be gained."""
    table = _top1(rows).dropna(subset="terms")
    parts = []
    for count, of_count in table.groupby("terms"):
        best = of_count.loc[of_count["mean"].idxmax()]
        span = best["mean"] - of_count["mean"].min()
        rest = _apart(best["difference"])
        parts.append(f"{number(span, 1)} points with N = {count:.0f}, the best one {rest}")
    return f"From the worst to the best learning rate the accuracy rises by {'; by '.join(parts)}."


def epsilon_sweep(rows: pd.DataFrame, metrics: pd.DataFrame) -> str:
    """Chosen coefficient, calibration, and the course of the leading term's share."""
    chosen = _selected(_top1(rows), "best_poly1")
    ece = rows[(rows["metric"] == "ece") & (rows["split"] == "test")].set_index("variant")["mean"]
    course = _course(metrics, "leading_share")
    summed = _course(metrics, "leading_share_weighted")
    shares = [number(of.iloc[end], 2) for of in (course, summed) for end in (0, -1)]
    return (
        f"Validation accuracy chose ε₁ = {coefficient(float(chosen['epsilon']))}, with "
        f"{number(chosen['mean'], 2)} % on the test images over all seeds, {_beside(chosen)}. "
        f"The expected calibration error is "
        f"{number(ece['cross_entropy'], 1)} % with cross-entropy and {number(ece.min(), 1)} to "
        f"{number(ece.max(), 1)} % over the sweep{_after_scaling(rows)}. "
        f"The leading term's share of cross-entropy's gradient rises from {shares[0]} to "
        f"{shares[1]} during training as a mean over images, and from {shares[2]} to {shares[3]} "
        "in the summed gradient."
    )


def _after_scaling(rows: pd.DataFrame) -> str:
    scaled = rows[(rows["metric"] == "ece_scaled") & (rows["split"] == "test")]["mean"]
    if scaled.empty:
        return ""
    return (
        f", and {number(scaled.min(), 1)} to {number(scaled.max(), 1)} % after temperature scaling"
    )


def poly_n(rows: pd.DataFrame, metrics: pd.DataFrame) -> str:
    """The coefficients that the greedy search chose."""
    table = _top1(rows)
    found: dict[str, list[int]] = {}
    for count in (1, 2, 3):
        found.setdefault(_selected(table, f"best_poly_n{count}")["variant"], []).append(count)
    parts = []
    for variant, counts in found.items():
        row = table[table["variant"] == variant].iloc[0]
        values = ", ".join(coefficient(float(e)) for e in row["epsilon"].split())
        kept = ", with the further coefficients at zero" if len(counts) > 1 else ""
        parts.append(
            f"({values}) for N = {listed(list(map(str, counts)))}{kept}: "
            f"{number(row['mean'], 2)} %, {_beside(row)}"
        )
    return f"The search chose {'; '.join(parts)}."


def long_tail(rows: pd.DataFrame, metrics: pd.DataFrame) -> str:
    """Where the selected coefficient gains: head, middle or tail classes."""
    name = _selected(_top1(rows), "best_long_tail")["variant"]
    parts = []
    for group in ("head", "middle", "tail"):
        row = rows[(rows["metric"] == f"top1_{group}") & (rows["variant"] == name)]
        row = row[row["split"] == "test"].iloc[0]
        ends = interval(row["difference_low"], row["difference_high"], 1, signed)
        parts.append(f"{signed(row['difference'], 1)} points on {group} classes ({ends})")
    return f"With the chosen coefficient the change is {listed(parts)}."


def mask_rcnn_epsilon(rows: pd.DataFrame, metrics: pd.DataFrame) -> str:
    """What the paper's coefficient does to recall, precision and confidence."""
    return _detection_changes(rows, "poly1_e-1", ("box_ar100", "box_ap", "mask_ar100", "mask_ap"))


def retinanet_epsilon(rows: pd.DataFrame, metrics: pd.DataFrame) -> str:
    """The same for the smallest coefficient on top of the focal loss."""
    return _detection_changes(rows, "poly1_e-1_g2", ("box_ar100", "box_ap"))


def pointpillars_epsilon(rows: pd.DataFrame, metrics: pd.DataFrame) -> str:
    """The same for boxes in point clouds."""
    shown = ("vehicle_ap_l1", "vehicle_aph_l1", "pedestrian_ap_l1", "pedestrian_aph_l1")
    return _detection_changes(rows, "poly1_e-1_g2", shown)


def pointpillars_kitti(rows: pd.DataFrame, metrics: pd.DataFrame) -> str:
    """The same on KITTI."""
    return _detection_changes(rows, "poly1_e-1_g2", ("ap40_moderate", "car_ap40_moderate"))


def range_segmentation(rows: pd.DataFrame, metrics: pd.DataFrame) -> str:
    """The same for the foreground of range images."""
    return _detection_changes(rows, "poly1_e-1_g2", ("foreground_ap", "foreground_precision"))


def _detection_changes(rows: pd.DataFrame, variant: str, shown: tuple[str, ...]) -> str:
    of_variant = rows[rows["variant"] == variant].set_index(["split", "metric"])
    changes = []
    for metric in shown:
        if ("test", metric) in of_variant.index:  # data without masks have no mask metrics
            row = of_variant.loc[("test", metric)]
            ends = interval(row["difference_low"], row["difference_high"], 1, signed)
            changes.append(f"{signed(row['difference'], 1)} in {METRIC_LABELS[metric]} ({ends})")
    confidence = []
    for group in ("foreground", "background"):
        if ("train", f"mean_pt_{group}") not in of_variant.index:
            continue
        row = of_variant.loc[("train", f"mean_pt_{group}")]
        before, after = row["mean"] - row["difference"], row["mean"]
        confidence.append(f"from {number(before, 3)} to {number(after, 3)} on {group}")
    text = f"With ε₁ = −1 the changes in points are {', '.join(changes)}."
    if confidence:
        text += f" The mean P_t of the last epoch goes {' and '.join(confidence)}."
    return text


FINDINGS = {
    function.__name__: function
    for function in (
        truncation,
        truncation_lr,
        epsilon_sweep,
        poly_n,
        long_tail,
        mask_rcnn_epsilon,
        retinanet_epsilon,
        pointpillars_epsilon,
        pointpillars_kitti,
        range_segmentation,
    )
}


def _apart(difference: float) -> str:
    """Where a mean lies, seen from the reference."""
    side = "below" if difference < 0 else "above"
    return f"{number(abs(difference), 1)} points {side} cross-entropy"


def _beside(row: pd.Series) -> str:
    """A variant's difference to cross-entropy, and whether the two can be told apart."""
    if pd.isna(row["difference_high"]):
        return f"{signed(row['difference'], 2)} points from cross-entropy"
    ends = interval(row["difference_low"], row["difference_high"], 2, signed)
    apart = row["difference_low"] > 0 or row["difference_high"] < 0
    text = f"{signed(row['difference'], 2)} points from cross-entropy ({ends})"
    return text if apart else f"{text}, from which it cannot be told apart"


def _top1(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[(rows["metric"] == "top1") & (rows["split"] == "test")]


def _course(metrics: pd.DataFrame, metric: str) -> pd.Series:
    """Mean over seeds of a training metric of cross-entropy, at the times inside epochs."""
    rows = metrics.query("metric == @metric and variant == 'cross_entropy' and split == 'train'")
    return rows[rows["epoch"] % 1 != 0].groupby("epoch")["value"].mean()


def _selected(table: pd.DataFrame, selection: str) -> pd.Series:
    return table[[selection in names.split() for names in table["selected"]]].iloc[0]
