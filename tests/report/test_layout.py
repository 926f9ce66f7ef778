"""No page has a hole, and no figure is in another section."""

import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import typst
from PIL import Image

from polyrepro import report
from polyrepro.report.layout import LOST, UNSURE, Section, best_orders

TEMPLATE = Path(report.PAPER).with_name("template.typ")
SECTIONS = """
#import "TEMPLATE": with-figures, spread
#set page(paper: "a4", margin: (x: 25mm, top: 22mm, bottom: 24mm))
#show figure.where(kind: table): set block(breakable: true)
#show heading: it => spread(12pt) + block(it)
#let section(name, above, heights, rows) = {
  [= #name]
  rect(height: above, width: 100%)
  with-figures(
    name,
    heights.map(height => figure(rect(height: height, width: 100%), caption: name)),
    figure(
      block(for _ in range(rows) { rect(height: 8mm, width: 100%) }), kind: table, caption: name,
    ),
  )
}
#section("fits", 10mm, (60mm,), 4)
#section("does not fit", 70mm, (60mm, 80mm), 8)
#section("depends on the one before", 100mm, (60mm, 110mm), 12)
#section("many", 20mm, (70mm, 60mm, 140mm, 60mm), 10)
#section("last", 30mm, (90mm,), 8)
#v(1fr)
#context [#metadata((
  headings: query(heading).map(it => it.location().position()),
  figures: query(figure).map(it => (it.location().position(), it.caption.body)),
))<places>]
"""
PAGE = 700.0


@pytest.fixture
def passes(monkeypatch, tmp_path):
    """What each round of typesetting was told; the rounds typeset the sections above."""
    told, compiler = [], typst.Compiler

    class Spy:
        def __init__(self, *arguments, **options):
            self.compiler = compiler(*arguments, **options)
            self.query = self.compiler.query

        def compile_with_warnings(self, sys_inputs, format):
            if format == "html":  # has no pages
                return self.compiler.compile_with_warnings(sys_inputs=sys_inputs, format=format)
            orders = json.loads(sys_inputs["orders"])
            told.append((orders, sys_inputs.get("spread", "no"), self.compiler, sys_inputs))
            made, warnings = self.compiler.compile_with_warnings(
                sys_inputs=sys_inputs, format=format
            )
            assert not warnings, "each round converges"
            return made, warnings

    monkeypatch.setattr(typst, "Compiler", Spy)
    document = tmp_path / "paper.typ"
    document.write_text(SECTIONS.replace("TEMPLATE", str(TEMPLATE)))
    (tmp_path / "values.json").write_text("{}")
    monkeypatch.setattr(report, "PAPER", document)
    pdf, page = report._typeset(tmp_path / "values.json")
    assert pdf.startswith(b"%PDF") and page.startswith("<!DOCTYPE html>")
    return told


def test_the_text_is_typeset_again_until_what_is_done_is_what_fits(passes):
    (first, *_), *_, (before, *_), (last, spread, *_) = passes
    assert first == {} and before == last and spread == "yes"
    assert last["fits"] == [0, 1]
    assert last["depends on the one before"] != [0, 1, 2], "a figure would leave a hole"
    assert last["many"] != [0, 1, 2, 3, 4]
    assert len(passes) < report.MOST_PASSES


def test_figures_lie_in_their_sections(passes):
    *_, (_, _, compiler, _) = passes
    (places,) = json.loads(compiler.query("<places>", field="value"))

    def at(position):
        return position["page"], float(position["y"].removesuffix("pt"))

    begins = [at(position) for position in places["headings"]]
    found = [at(position) for position, _ in places["figures"]]
    counts = [
        sum(start <= place < end for place in found)
        for start, end in itertools.pairwise([*begins, (999, 0.0)])
    ]
    assert counts == [2, 3, 3, 5, 2]


def test_no_page_ends_empty(passes):
    *_, (_, _, compiler, inputs) = passes
    pages = compiler.compile(sys_inputs=inputs, format="png", ppi=36)
    for page in pages[:-1]:
        dark = np.asarray(Image.open(io.BytesIO(page)).convert("L")) < 200
        rows = np.flatnonzero(dark.any(axis=1)) / dark.shape[0] * 297
        assert rows[-1] > 297 - 24 - 15, "millimetres from the top of the page"
        assert np.diff(rows).max() < 60


def section(free, heights, in_order=False):
    return Section("a section", PAGE - free, PAGE, heights, in_order, least=100.0)


def order_of(one):
    return best_orders([one], {})["a section"]


def test_a_table_fills_a_page_that_a_figure_would_leave_empty():
    assert order_of(section(PAGE, [300, 200])) == [0, 1]
    assert order_of(section(250, [300, 400])) == [1, 0]
    assert order_of(section(25, [300, 400])) == [0, 1], "for so small a hole the order stays"
    assert order_of(section(250, [300, 240, 80])) == [1, 0, 2]
    assert order_of(section(250, [300, 240, 80], in_order=True)) == [2, 0, 1]


def filled(one, order, shift=0):
    filling = one.filled(order, shift)
    return list(filling.empty), filling.used


def test_holes_are_what_figures_leave_at_the_ends_of_pages():
    assert filled(section(100, [300, 50]), [0, 1]) == ([100], 450)
    assert filled(section(100, [300, 50]), [0, 1], 50) == ([50], 400), "the text ends lower"
    assert filled(section(100, [300, 100]), [1, 0]) == ([0], 400)
    assert filled(section(95, [800]), [0])[0] == [95], "not the beginning of a table fits"
    assert filled(section(110, [800]), [0]) == ([], 800 + LOST * 100)


def test_a_figure_that_would_just_fit_behind_a_divided_table_may_not():
    rest = PAGE - (300 - 150) - LOST * 100
    for spare, holes in ((UNSURE * 100 + 1, []), (UNSURE * 100 - 1, [rest])):
        found, _ = filled(section(150, [rest - spare, 300]), [1, 0])
        assert found == pytest.approx(holes)


def test_figures_of_other_sources_follow_the_own_ones_unless_that_leaves_a_large_hole():
    def order(free, own):
        # Of two figures the second alone fits the page; the table comes last, on its own page.
        figures = Section("a section", PAGE - free, PAGE, [PAGE, free, PAGE], False, own, PAGE)
        return order_of(figures)

    assert order(60, own=2) == [1, 0, 2], "a hole of 60 points is worse than another order"
    assert order(60, own=1)[0] == 0
    assert order(250, own=1) == [1, 0, 2]


def test_the_first_of_figures_in_order_stays_the_first_and_many_figures_are_packed():
    heights = [338, 340, 291, 250, 287, 174, 254, 789]
    one = Section("a section", 0.0, PAGE, heights, True)
    order = order_of(one)
    assert sorted(order) == list(range(8)) and order[0] in (0, 7)
    given = sum(hole**2 for hole in one.filled(one.given, 0).empty)
    assert sum(hole**2 for hole in one.filled(order, 0).empty) < given / 4


def test_the_orders_of_all_sections_are_chosen_together():
    sections = [
        Section("first", PAGE - 250, PAGE, [300, 400], False),
        Section("second", 2 * PAGE + 450, PAGE, [300, 400], False),
    ]
    # The table of the first fills the page, so that the second has its points more.
    assert best_orders(sections, {}) == {"first": [1, 0], "second": [0, 1]}


def test_settled_sections_keep_their_order():
    sections = [Section("first", PAGE - 250, PAGE, [300, 400], False)]
    assert best_orders(sections, {"first": [0, 1]}, settled=1) == {"first": [0, 1]}
    assert best_orders(sections, {"first": [0, 1]}) == {"first": [1, 0]}


def test_an_order_that_does_not_settle_is_said(monkeypatch, tmp_path, capsys):
    document = tmp_path / "paper.typ"
    document.write_text(SECTIONS.replace("TEMPLATE", str(TEMPLATE)))
    (tmp_path / "values.json").write_text("{}")
    monkeypatch.setattr(report, "PAPER", document)
    monkeypatch.setattr(report, "MOST_PASSES", 1)
    pdf, _ = report._typeset(tmp_path / "values.json")
    assert pdf.startswith(b"%PDF")
    assert (
        "paper.typ: the order of the figures had not settled after 1 typesettings; "
        "the last one is kept" in capsys.readouterr().err
    )
