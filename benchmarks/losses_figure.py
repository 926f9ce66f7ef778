"""The figure of `losses.py`: time over torch's, forward and backward, and the memory kept."""

from pathlib import Path

from losses_cases import OURS
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def draw(rows: list[dict], path: Path) -> None:
    """One panel per group and size: bars of the time ratio, with the kept memory beside.

    A bar is the ratio with memory at hand; a ring, that with memory fetched from the system.
    """
    panels: dict[tuple, dict[str, dict[str, dict]]] = {}
    for row in rows:
        panel = panels.setdefault(
            (row["group"], row["rows"], row["classes"], row["dtype"]), {}
        )  # fmt: skip
        panel.setdefault(f"{row['package']}: {row['loss']}", {})[row["memory"]] = row
    heights = [len(panel) for panel in panels.values()]
    size = (6.8, 0.24 * sum(heights) + 0.75 * len(panels))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(len(panels), 1, height_ratios=heights, squeeze=False)
    for axis, ((name, count, classes, dtype), panel) in zip(
        axes[:, 0], panels.items(), strict=True
    ):
        draw_panel(axis, panel)
        axis.set_title(f"{name}, {count:,} x {classes:,}, {dtype}", fontsize=8, loc="left")
    axes[-1, 0].set_xlabel(
        "time, forward and backward, over torch's cross-entropy\n(bars: memory at hand; rings: "
        "memory fetched anew); memory kept for backward in multiples of the logits",
        fontsize=7,
    )
    figure.savefig(path, dpi=200)


def draw_panel(axis: Axes, panel: dict[str, dict[str, dict]]) -> None:
    """The losses of one group, from ``panel[label][memory]``."""
    for position, measured in enumerate(panel.values()):
        row = measured.get("kept") or measured["fetched"]
        colour = "#0072B2" if row["package"] == OURS else "#999999"
        axis.barh(position, row["ratio"], color=colour, height=0.7)
        text = f" {row['ratio']:.2f}   keeps {row['kept_over_logits']:.1f}"
        right = row["ratio"]
        if "kept" in measured and "fetched" in measured:
            other = measured["fetched"]["ratio"]
            axis.plot(other, position, "o", color="black", markerfacecolor="none", markersize=4)
            right = max(right, other + 0.03)
        # The numbers beside bars that end short of 1 interrupt the line there.
        background = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axis.text(right, position, text, va="center", fontsize=7, bbox=background, zorder=0.5)
    axis.set_yticks(range(len(panel)), panel)
    axis.axvline(1, color="black", linewidth=0.8, zorder=0)
    axis.invert_yaxis()
    axis.margins(x=0.25)
    axis.tick_params(labelsize=7)
