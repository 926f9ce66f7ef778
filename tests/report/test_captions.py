"""Captions: one text for Snakemake's report and ours."""

import re

import pytest
from jinja2 import Template

from polyrepro.atlas import THEMES
from polyrepro.figures import FIGURES
from polyrepro.report import caption_numbers
from polyrepro.report import captions as module
from polyrepro.report.captions import CaptionError, caption, captions


def test_every_figure_has_one_in_plain_words():
    assert set(captions()) == set(FIGURES)
    for text in (*captions().values(), *(caption(f"atlas_{theme}") for theme in THEMES)):
        assert re.fullmatch(r"[A-Z(9][^{}$#\n]{40,}\.", text), text


def test_intervals_go_by_the_coverage_that_statistics_use(monkeypatch):
    assert "Thick: 95 % t interval" in caption("variants")
    monkeypatch.setattr(caption_numbers, "CONFIDENCE_PERCENT", "90")
    assert "Thick: 90 % t interval" in caption("variants")


NO_MEASUREMENTS = (
    r"between −1 and 1|Figure 1|docs/\w+|\w+\.csv|level 1|impulses of 1|is 0 for|1 - P_t"
    r"|[=−-] ?1\b"
)
"""Names, coordinates and formulas."""


@pytest.mark.parametrize("path", sorted(module.FOLDER.glob("*.rst")), ids=lambda path: path.stem)
def test_no_number_is_typed_in_a_caption(path):
    text = " ".join(module.PLACE.sub("", path.read_text(encoding="utf-8")).split())
    words = "three|four|five|six|seven|eight|nine|ten|twenty|hundred"
    typed = re.findall(rf"[0-9]+|\b(?:{words})\b", re.sub(NO_MEASUREMENTS, "", text))
    assert typed == []


def test_snakemake_fills_in_the_same_numbers():
    snakemake = {"params": {"numbers": caption_numbers.caption_numbers()}}
    for path in module.FOLDER.glob("*.rst"):
        filled = Template(path.read_text("utf-8")).render(snakemake=snakemake)
        assert " ".join(filled.split()).replace("'", "’") == caption(path.stem)


def test_an_unknown_number_is_refused_with_its_file(monkeypatch, tmp_path):
    (tmp_path / "forest.rst").write_text("{{ snakemake.params.numbers.fully }} of the claims.")
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    with pytest.raises(CaptionError, match=r"forest\.rst: there is no number 'fully' for captions"):
        caption("forest")


def test_a_figure_without_one_is_refused_with_the_file_to_write(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    words = rf"figure 'shifted' has no caption; .* into {re.escape(str(tmp_path))}/shifted\.rst"
    with pytest.raises(CaptionError, match=words):
        caption("shifted")
