"""The figures of rows: every variant of a study, and every claim of a report."""

import numpy as np
import pandas as pd
import pytest
from figures_drawn import figure_of, legend_labels, pages_of, rows_of
from made_up_results import write_results

from polyrepro.analysis.claims_table import read_claims
from polyrepro.analysis.outcomes import OUTCOMES
from polyrepro.analysis.references import read_sources
from polyrepro.figures import FIGURES, OWN, file_of, names, style
from polyrepro.figures.families import colour_of
from polyrepro.figures.forest_rows import wrapped
from polyrepro.figures.rows import lines_of, row_places
from polyrepro.figures.scales import fit_limits, scale_differences
from polyrepro.studies import STUDIES


def row_labels(axes):
    return [tick.get_text() for tick in axes.get_yticklabels()]


def test_every_study_has_the_figure_of_its_variants_and_no_other_without_a_file():
    for study in STUDIES:
        names = [name for name, of in FIGURES.items() if of == study]
        assert f"{study}_variants" in names
        assert [name for name in names if name not in OWN] == [f"{study}_variants"]
    assert file_of("gates_variants") == "variants"


def test_variants_are_rows_by_label_with_their_difference_and_value(results):
    rows = rows_of(results, "epsilon_sweep")
    axes = figure_of("epsilon_sweep_variants", results).axes[0]
    assert row_labels(axes) == [names.mathematical(label) for label in rows["label"]]
    drawn = [entry for entry in axes.lines if entry.get_markersize() == 4]
    means = [entry.get_xydata()[0] for entry in drawn if len(entry.get_xdata()) == 1]
    means = [point for point in means if np.isfinite(point[0])]
    np.testing.assert_allclose(means, np.column_stack([rows["difference"], range(len(rows))]))
    texts = [text.get_text() for text in axes.texts]
    assert texts[0].startswith(f"{rows['mean'].iloc[0]:.2f} ± ")
    assert "cross-entropy" in axes.get_xlabel()


def test_a_collapsed_run_is_marked_and_its_variant_says_so(results):
    axes = figure_of("truncation_variants", results).axes[0]
    crosses = [entry for entry in axes.lines if entry.get_marker() == "x"]
    marked = {y for entry in crosses for y in entry.get_ydata() if np.isfinite(y)}
    labels = row_labels(axes)
    assert {labels[round(y - 0.27)] for y in marked} == {"first 10 terms", "first 300 terms"}
    texts = [text.get_text() for text in axes.texts]
    assert sum("(1 collapsed)" in text for text in texts) == 2


@pytest.fixture
def with_own_series(results, tmp_path):
    """The tables with a variant of another series, as records of one's own loss would give."""
    for name in ("metrics", "statistics"):
        table = pd.read_csv(results / f"{name}.csv", dtype={"epsilon": str})
        for study, variant in (("epsilon_sweep", "poly1_e+1"), ("truncation", "truncated_n100")):
            own = (table["study"] == study) & (table["variant"] == variant)
            table.loc[own, ["label", "series", "epsilon"]] = ["my loss", "mine:MyLoss", ""]
            table.loc[own, "terms"] = np.nan
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


@pytest.mark.parametrize("name", ["epsilon_sweep", "calibration", "truncation"])
def test_figures_of_the_paper_s_family_leave_another_series_out(with_own_series, results, name):
    def points(folder):
        axes = figure_of(name, folder).axes[0]
        label = "its first $N$ terms" if name == "truncation" else "Poly-1"
        (found,) = [entry for entry in axes.lines if entry.get_label() == label]
        return found.get_xdata().tolist()

    left_out = 100 if name == "truncation" else 1
    assert points(with_own_series) == [x for x in points(results) if x != left_out]


def test_another_series_is_a_row_by_its_label(with_own_series):
    axes = figure_of("epsilon_sweep_variants", with_own_series).axes[0]
    assert "my loss" in row_labels(axes)


STEPS = "many_terms_match"
"""A claim that steps down."""


def examined(steps):
    """Those up to the first one that does not hold."""
    holds = steps["contrast_outcome"] == "equivalent within a margin"
    return steps[holds.shift(fill_value=True).cummin()]


def test_the_forest_has_every_examined_contrast_in_the_panel_of_its_unit(results):
    panels = [axes for page in pages_of("forest", results) for axes in page.axes]
    claims = read_claims(results / "claims.csv")
    measured = claims[claims["measured"].notna()]
    shown = [label.split()[0] for axes in panels for label in row_labels(axes)]
    # The step after one that fails was not examined.
    steps = measured[measured["claim"] == STEPS]
    assert shown.count(steps["number"].iloc[0]) == len(examined(steps)) == 2 < len(steps)
    others = measured.drop(index=steps.index)
    assert len(shown) == len(others) + 2 and set(shown) == set(measured["number"])
    units = [axes.get_xlabel().split(";")[0] for axes in panels]
    expected = ["points of top-1", "difference in mean $P_t$", "share of the gradient"]
    expected += ["points of AR", "points of AP"]
    assert list(dict.fromkeys(units)) == expected
    for axes, unit in zip(panels, units, strict=True):
        if unit in expected[3:]:  # the metric stands in the label
            assert all(f"{unit.split()[-1]}" in text for text in row_labels(axes))
    of_shares = [text.split()[0] for text in row_labels(panels[units.index(expected[2])])]
    numbers = claims.groupby("claim")["number"].first()
    assert of_shares == [
        numbers[name] for name in ("leading_term_majority", "leading_term_majority_summed")
    ]


def test_a_forest_without_a_measured_comparison_says_so(results, tmp_path):
    for table in ("metrics.csv", "statistics.csv"):
        (tmp_path / table).write_bytes((results / table).read_bytes())
    claims = pd.read_csv(results / "claims.csv")
    claims[claims["measured"].isna()].to_csv(tmp_path / "claims.csv", index=False)
    (page,) = pages_of("forest", tmp_path)
    assert [text.get_text() for text in page.texts] == [
        "no comparison of a claim has been measured yet"
    ]


def test_the_forest_has_a_mark_for_each_source_that_measured_a_contrast(results, two_sources):
    sources = read_sources(results, two_sources)
    assert [source.name for source in sources[1:]] == [
        "embedded_full",
        f"embedded in {two_sources[1]}",
    ]
    pages = pages_of("forest", results, two_sources)
    drawn = [
        entry.get_xdata()[0]
        for page in pages
        for axes in page.axes
        for entry in axes.lines
        if entry.get_markeredgecolor() == "#FFFFFF" and entry.get_marker() == "s"
    ]
    full = sources[1].claims
    measured = full[full["measured"].notna()]
    steps = measured[measured["claim"] == STEPS]
    others = measured.drop(index=steps.index)
    expected = [*others["measured"], *examined(steps)["measured"]]
    np.testing.assert_allclose(sorted(drawn), sorted(expected))
    legends = [text.get_text() for page in pages for text in page.legends[0].get_texts()]
    assert {"this report", "embedded_full"} <= set(legends)
    outcomes = [text.get_text() for page in pages for axes in page.axes for text in axes.texts]
    judged = sum(len(source.judged) for source in sources)
    assert len([text for text in outcomes if text in OUTCOMES]) == judged


def test_a_published_gain_covers_no_mark_of_several_sources(results, two_sources):
    gains = 0
    for axes in (axes for page in pages_of("forest", results, two_sources) for axes in page.axes):
        marks = [e.get_ydata()[0] for e in axes.lines if e.get_markeredgecolor() == "#FFFFFF"]
        for entry in axes.lines:
            if entry.get_marker() == "D":
                gains += 1
                places = [y for y in marks if abs(y - entry.get_ydata()[0]) < 1]
                assert len(places) < 2 or min(abs(y - entry.get_ydata()[0]) for y in places) > 0.3
    assert gains > 2


def test_all_studies_of_the_full_scale_can_be_drawn(tmp_path):
    studies = ("gates", "truncation", "truncation_lr", "poly_n", "powers")
    folder = write_results(tmp_path, seeds=2, scale="embedded_full", studies=",".join(studies))
    for name in (*(f"{study}_variants" for study in studies), "truncation_lr", "poly_n", "forest"):
        figure = pages_of(name, folder)[-1]
        assert all(box.x1 <= figure.bbox.x1 for box in (a.get_tightbbox() for a in figure.axes))


def test_a_family_of_losses_has_one_colour_in_all_figures(results):
    means = {}
    for name in ("truncation_variants", "epsilon_sweep_variants", "retinanet_epsilon_variants"):
        axes = figure_of(name, results).axes[0]
        for entry in axes.lines:
            points = np.array(entry.get_xydata(), dtype=float)
            if entry.get_markersize() == 4 and len(points) == 1 and np.isfinite(points).all():
                label = row_labels(axes)[round(points[0, 1])]
                means.setdefault(label.split(" (")[0], set()).add(entry.get_color())
    assert means["first 100 terms"] == means["first 1000 terms"] == {style.TRUNCATED}
    assert means["Poly-1"] == {style.POLY}
    drawn = figure_of("truncation", results).axes[0], figure_of("epsilon_sweep", results).axes[0]
    colours = [{entry.get_color() for entry in axes.lines} for axes in drawn]
    assert style.TRUNCATED in colours[0] and style.POLY in colours[1]


@pytest.mark.parametrize(
    ("settings", "colour"),
    [
        ({"series": "PolySeries"}, style.CROSS_ENTROPY),
        ({"series": "PolySeries", "gamma": 2.0}, style.FOCAL),
        ({"series": "PolySeries", "gamma": 2.0, "epsilon": "1"}, style.POLY),
        ({"series": "SoftGate"}, style.POLY),
        ({"series": "HardGate"}, style.TRUNCATED),
        ({"series": "mine:MyLoss"}, style.OTHER),
    ],
)
def test_the_colour_of_a_variant_follows_from_its_settings(settings, colour):
    row = pd.Series({"gamma": 0.0, "epsilon": "", "terms": np.nan} | settings)
    assert colour_of(row) == colour


def test_the_legend_of_rows_counts_the_seeds(results):
    assert "seed ($n$ = 3)" in legend_labels("epsilon_sweep_variants", results)


def test_a_single_loss_of_a_series_has_the_colour_of_its_family():
    assert style.shades(style.TRUNCATED, 1) == [style.TRUNCATED]
    assert len(set(style.shades(style.TRUNCATED, 3))) == 3


def test_seeds_that_differ_between_variants_are_a_range():
    _, (axes,) = style.new_figure(3, 2)
    seeds = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, np.nan, np.nan], "reference": np.nan})
    style.label_seeds(axes, seeds)
    assert axes.get_legend_handles_labels()[1] == ["seed ($n$ = 1 to 3)"]


def test_what_the_forest_cuts_off_ends_in_an_arrow(results):
    for axes in (axes for page in pages_of("forest", results) for axes in page.axes):
        low, high = axes.get_xlim()
        thin = [entry.get_xdata() for entry in axes.lines if entry.get_linewidth() == 0.7]
        ends = np.array([list(ends) for ends in thin], dtype=float)
        ends = ends[np.isfinite(ends).all(axis=1)]
        arrows = {m: 0 for m in "<>"}
        for entry in axes.lines:
            if entry.get_marker() in arrows:
                arrows[entry.get_marker()] += 1
                assert entry.get_xdata()[0] == {"<": low, ">": high}[entry.get_marker()]
        assert arrows == {"<": (ends[:, 0] < low).sum(), ">": (ends[:, 1] > high).sum()}


@pytest.mark.parametrize(
    ("label", "lines"),
    [
        ("C1  first 10 terms − CE", ["C1  first 10 terms − CE"]),
        (
            "C11  Poly-2 (ε₁ = 2, ε₂ = −0.5) − 2 Poly-1 (ε₁ = 2) + CE",
            ["C11  Poly-2 (ε₁ = 2, ε₂ = −0.5)", "− 2 Poly-1 (ε₁ = 2) + CE"],
        ),
        (
            "C14  cross-entropy + (1 − P_t)^0.5 − Poly-1 (ε₁ = 1)",
            ["C14  cross-entropy + (1 − P_t)^0.5", "− Poly-1 (ε₁ = 1)"],
        ),
    ],
)
def test_long_labels_break_before_the_sign_of_a_variant(label, lines):
    assert wrapped(label).split("\n") == lines


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        ("top1", ""),
        ("mean_pt", ""),
        ("box_ar100", "box AR: "),
        ("steps_to_25", "steps to 25 %: "),
        ("top1_rare", "top-1 of the rare class: "),
    ],
)
def test_a_metric_is_named_where_its_unit_does_not_tell_it_apart(metric, text):
    assert names.told_apart(metric) == text


def test_symbols_in_labels_are_mathematics():
    assert names.mathematical("CE + (1 − P_t)^0.5, ε₁") == "CE + $(1 - P_t)^{0.5}$, $\\epsilon_{1}$"


def test_ticks_are_round_numbers_and_limits_leave_room():
    _, (axes,) = style.new_figure(4, 2)
    scale_differences(axes, [-2.4, 2.4])
    fit_limits(axes, [-2.4, np.nan, 2.4], room=0.1)
    assert axes.get_xlim() == pytest.approx((-2.88, 2.88))
    assert [tick for tick in axes.get_xticks() if abs(tick) <= 2.4] == [-2, -1, 0, 1, 2]


def test_rows_of_two_lines_have_twice_the_height():
    assert row_places([lines_of(label) for label in ("a", "b\nc", "d")]) == [0, 1.5, 3]


@pytest.mark.parametrize(
    ("values", "scale"), [([0.1, -3], "linear"), ([0.2, -40], "symlog"), ([-20, -40], "linear")]
)
def test_large_and_small_differences_share_a_logarithmic_axis(values, scale):
    _, (axes,) = style.new_figure(3, 2)
    said = scale_differences(axes, values)
    assert axes.get_xscale() == scale and bool(said) == (scale == "symlog")
