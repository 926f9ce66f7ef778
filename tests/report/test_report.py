"""Words and numbers of the report; the whole of it is typeset in tests/workflow."""

import math

import pytest

from polyrepro import report
from polyrepro.report.labels import (
    contrast_label,
    interval,
    number,
    signed,
    with_half_width,
)
from polyrepro.report.summary import summary_markdown


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (number(-1.005, 1), "−1.0"),
        (number(math.nan, 2), "–"),
        (signed(0.4, 2), "+0.40"),
        (signed(-0.4, 2), "−0.40"),
        (signed(math.nan, 2), "–"),
        (interval(-0.2, 0.4, 2, shown=signed), "−0.20 to +0.40"),
        (interval(math.nan, math.nan, 2), "no interval"),
        (with_half_width(86.62, 87.08, 2), "86.62 ± 0.46"),
        (with_half_width(0.1, 0.3, 1, shown=signed), "+0.1 ± 0.2"),
    ],
)
def test_numbers(shown, expected):
    assert shown == expected


def test_contrast_in_words():
    labels = {"a_1": "first", "b": "second"}
    assert contrast_label("top1 (test): 2 a_1 - b", labels) == "2 first − second"


def test_a_value_that_is_missing_is_an_error_not_a_gap(tmp_path, monkeypatch):
    """Without provenance the templates must fail, and the text must name the key."""
    (tmp_path / "report.json").write_text("{}")
    monkeypatch.setattr("polyrepro.report.values.report_values", lambda plan: {"scale": "x"})

    class Plan:
        class settings:  # noqa: N801
            results = str(tmp_path)

    with pytest.raises(report.ReportError, match="does not contain key"):
        report.write_report(Plan)
    assert not (tmp_path / "report.pdf").exists()


def test_summary_says_that_it_is_about_an_analogue():
    claim = {
        "statement": "S",
        "outcome": "direction only",
        "published": "P",
        "published_status": "secondary",
        "contrasts": [{"contrast": "a − b", "measured": "+1", "interval": "0 to 2", "n": 5}],
    }
    values = {
        "scale": "embedded",
        "analogue": True,
        "seeds": 5,
        "confidence": "95",
        "provenance": {"runs": 1, "command": "snakemake"},
        "studies": {"s": {"title": "T", "claims": [claim], "finding": "F."}},
    }
    text = summary_markdown(values)
    assert "small analogue" in text
    assert "| T | S | a − b: +1 (0 to 2, n = 5) | **direction only** | P (secondary) |" in text
    assert "small analogue" not in summary_markdown(values | {"analogue": False})
