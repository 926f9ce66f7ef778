"""A figure's parts lie on the paper, within their panels, and do not cover each other."""

from itertools import combinations

import numpy as np
import pytest
from figures_drawn import EMBEDDED, figure_of, intervals, pages_of

from polyrepro.figures import OWN
from polyrepro.figures.forest import MOST_HEIGHT
from polyrepro.figures.style import in_style


@pytest.mark.parametrize("name", EMBEDDED)
@pytest.mark.parametrize("kind", ["results", "single_seed_results", "cut_results"])
def test_nothing_is_cut_off_and_the_legend_covers_nothing(request, kind, name):
    for figure in pages_of(name, request.getfixturevalue(kind)):
        assert_complete(figure)


def assert_complete(figure):
    """All parts lie on the paper, and the legend beside them."""
    # The settings count when text is measured, too.
    with in_style():
        parts = [axes.get_tightbbox() for axes in figure.axes]
        legend = figure.legends[0].get_window_extent()
    for box in (*parts, legend):
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
        assert box.y0 >= 0 and box.y1 <= figure.bbox.y1
    assert not any(legend.overlaps(box) for box in parts)


@pytest.mark.parametrize("name", EMBEDDED)
@pytest.mark.parametrize("kind", ["results", "cut_results"])
def test_tick_labels_do_not_overlap(request, kind, name):
    pages = pages_of(name, request.getfixturevalue(kind))
    for axes in (axes for page in pages for axes in page.axes):
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            labels = [tick.label1 for tick in ticks if low <= tick.get_loc() <= high]
            shown = [label for label in labels if label.get_visible() and label.get_text()]
            with in_style():
                boxes = [label.get_window_extent() for label in shown]
            # Panels that share an axis have its labels once.
            assert len(boxes) > 1 or not any(label.get_visible() for label in labels)
            assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_a_forest_of_several_sources_is_complete_on_pages_of_the_report(results, two_sources):
    pages = pages_of("forest", results, two_sources)
    assert len(pages) > 1
    for page in pages:
        assert_complete(page)
        assert page.get_figheight() <= MOST_HEIGHT


OTHERS = ("losses", "forest", "truncation", "mask_rcnn_pt", "retinanet_pt", "mask_rcnn_detections")
OTHERS += ("pointpillars_pt", "pointpillars_detections", "range_segmentation_pt", "range_images")


@pytest.mark.parametrize("name", [name for name in EMBEDDED if name in OWN and name not in OTHERS])
def test_every_mean_interval_and_seed_lies_within_its_panel(results, name):
    """`truncation` and `forest` leave parts out, on purpose; the others show no means of seeds."""
    for axes in figure_of(name, results).axes:
        bars = [intervals(axes, number)[:, 1:].ravel() for number in range(len(axes.containers))]
        lines = [np.asarray(entry.get_ydata(), dtype=float) for entry in axes.lines]
        values = np.concatenate([*bars, *lines])
        values = values[np.isfinite(values)]
        if name == "truncation_lr":  # intervals over collapsed runs leave the range of accuracies
            lowest = -100 if "difference" in axes.get_ylabel() else 0
            values = values[(values > lowest) & (values < 100)]
        low, high = axes.get_ylim()
        assert len(values) > 10 and ((low <= values) & (values <= high)).all()
