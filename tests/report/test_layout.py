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
from polyrepro.report.layout import LEAST, UNSEEN, holes, order_of

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
            given = json.loads(sys_inputs["orders"]), sys_inputs.get("spread", "no")
            told.append((*given, self.compiler, sys_inputs))
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
    assert report._typeset(tmp_path / "values.json", "pdf").startswith(b"%PDF")
    return told


def test_the_text_is_typeset_again_until_what_is_done_is_what_fits(passes):
    (first, *_), *_, (before, *_), (last, spread, *_) = passes
    assert first == {} and before == last and spread == "yes"
    assert last["fits"] == [0, 1]
    assert last["depends on the one before"] == [0, 2, 1], "a figure would leave a hole"
    assert last["many"] == [0, 1, 3, 2, 4]
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


def test_a_table_fills_a_page_that_a_figure_would_leave_empty():
    assert order_of(PAGE, PAGE, [300, 200]) == [0, 1]
    assert order_of(250, PAGE, [300, 400]) == [1, 0]
    assert order_of(30, PAGE, [300, 400]) == [0, 1], "nobody sees so small a hole"
    assert order_of(250, PAGE, [300, 240, 80]) == [1, 0, 2]
    assert order_of(250, PAGE, [300, 240, 80], in_order=True) == [2, 0, 1]


def test_holes_are_what_figures_leave_at_the_ends_of_pages():
    assert holes([0, 1], 100, PAGE, [300, 50]) == 100
    assert holes([1, 0], 100, PAGE, [300, 100]) == 0
    assert holes([0], LEAST - 5, PAGE, [800]) == LEAST - 5, "the head of a table is not divided"
    assert holes([0, 1], UNSEEN, PAGE, [300, 50]) == 0
