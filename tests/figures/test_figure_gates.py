"""The figure of the gates, read back from its axes."""

import numpy as np
import pytest
from figures_drawn import dots, figure_of, intervals, legend_labels, line, rows_of
from made_up_results import write_results

from polyrepro.studies.gates import FOCAL, SOFT


@pytest.fixture(scope="module")
def gates(tmp_path_factory):
    return write_results(
        tmp_path_factory.mktemp("gates"), 3, scale="embedded_full", studies="gates"
    )


PANELS = [("top1", "test"), ("steps_to_25", "train"), ("steps_to_50", "train")]


@pytest.mark.parametrize(("panel", "shown"), list(enumerate(PANELS)))
def test_each_panel_shows_the_table_over_the_exponents(gates, panel, shown):
    rows = rows_of(gates, "gates", *shown)
    if shown == ("top1", "test"):  # differences, paired by seed
        means = ["difference", "difference_low", "difference_high"]
        rows = rows.drop(columns=["mean", "low", "high"]).rename(
            columns=dict(zip(means, ["mean", "low", "high"], strict=True))
        )
    axes = figure_of("gates", gates).axes[panel]
    for number, (label, variants) in enumerate((("soft gate", SOFT), ("focal loss", FOCAL))):
        of_curve = rows.loc[[variant.name for variant in variants.values()]]
        expected = np.column_stack([list(variants), of_curve[["mean", "low", "high"]]])
        np.testing.assert_allclose(line(axes, label), expected[:, :2].astype(float))
        np.testing.assert_allclose(intervals(axes, number), expected[:, [0, 2, 3]].astype(float))
    for label, name in (("cross-entropy", "cross_entropy"), ("hard gate at 0.5", "hard_gate_t0.5")):
        assert line(axes, label)[0, 1] == pytest.approx(rows.loc[name, "mean"])
    assert len(dots(axes)) == 3 * 8  # exponents times curves, a dot per seed


def test_the_legend_names_every_loss_once_and_covers_nothing(gates):
    assert legend_labels("gates", gates) == [
        "cross-entropy",
        "hard gate at 0.5",
        "hard gate at 0.9",
        "soft gate",
        "focal loss",
        "seed ($n$ = 3)",
    ]
    figure = figure_of("gates", gates)
    legend = figure.legends[0].get_window_extent()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    assert not any(legend.overlaps(box) for box in boxes)
    assert legend.x0 >= 0 and all(box.x1 <= figure.bbox.x1 for box in (legend, *boxes))
