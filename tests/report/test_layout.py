"""Figures that do not fit the rest of a page come after the table of their section."""

import json
from pathlib import Path

import pytest
import typst

from polyrepro import report

TEMPLATE = Path(report.PAPER).with_name("template.typ")

SECTIONS = """
#import "TEMPLATE": before-table
#set page(paper: "a4", margin: (x: 25mm, top: 22mm, bottom: 24mm))
#let section(name, above, height) = {
  v(above)
  [The text of a section.]
  [#box()#label("end-of-text-" + name)]
  before-table(name, (figure(rect(height: height)),), figure(table([row]), kind: table))
}
#section("fits", 10mm, 60mm)
#section("does_not_fit", 100mm, 60mm)
#section("depends_on_the_one_before", 100mm, 60mm)
"""


@pytest.fixture
def passes(monkeypatch):
    """What each round of typesetting was told about the figures before tables."""
    told, compiler = [], typst.Compiler

    class Spy:
        def __init__(self, *arguments, **options):
            self.compiler = compiler(*arguments, **options)
            self.query = self.compiler.query

        def compile_with_warnings(self, sys_inputs, **options):
            told.append(json.loads(sys_inputs["before-tables"]))
            made, warnings = self.compiler.compile_with_warnings(sys_inputs=sys_inputs, **options)
            assert not warnings, "each round converges"
            return made, warnings

    monkeypatch.setattr(typst, "Compiler", Spy)
    return told


def test_the_text_is_typeset_again_until_what_is_done_is_what_fits(tmp_path, monkeypatch, passes):
    document = tmp_path / "paper.typ"
    document.write_text(SECTIONS.replace("TEMPLATE", str(TEMPLATE)))
    (tmp_path / "values.json").write_text("{}")
    monkeypatch.setattr(report, "PAPER", document)
    assert report._typeset(tmp_path / "values.json", "pdf").startswith(b"%PDF")
    assert passes[0] == {}
    assert passes[-1] == {"fits": 1, "does_not_fit": 0, "depends_on_the_one_before": 1}
    assert len(passes) < report.MOST_PASSES
