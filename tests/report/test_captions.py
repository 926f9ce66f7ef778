"""Captions: one text for Snakemake's report and ours."""

import re

import pytest
from jinja2 import Template

from polyrepro.atlas import THEMES
from polyrepro.figures import FIGURES, file_of
from polyrepro.report import captions as module
from polyrepro.report.captions import CaptionError, caption, captions


def test_every_figure_has_one_in_plain_words():
    assert set(captions()) == {file_of(name) for name in FIGURES}
    for text in (*captions().values(), *(caption(f"atlas_{theme}") for theme in THEMES)):
        assert re.fullmatch(r"[A-Z(9][^{}$#\n]{40,}\.", text), text


def test_intervals_go_by_the_coverage_that_statistics_use(monkeypatch):
    assert "Thick: 95 % t interval" in caption("variants")
    monkeypatch.setattr(module, "CONFIDENCE_PERCENT", "90")
    assert "Thick: 90 % t interval" in caption("variants")


def test_no_caption_states_a_coverage_of_its_own():
    for path in module.FOLDER.glob("*.rst"):
        assert not re.search(r"\b95 %", path.read_text(encoding="utf-8")), path


def test_snakemake_fills_in_the_same_coverage():
    path = module.FOLDER / "variants.rst"
    parameters = {"params": {"confidence": "90"}}
    assert "Thick: 90 % t" in Template(path.read_text("utf-8")).render(snakemake=parameters)


def test_a_figure_without_one_is_refused_with_the_file_to_write(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    words = rf"figure 'shifted' has no caption; .* into {re.escape(str(tmp_path))}/shifted\.rst"
    with pytest.raises(CaptionError, match=words):
        caption("shifted")
