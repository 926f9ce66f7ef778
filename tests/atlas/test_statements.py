"""Outcomes of the statements, and the files that hold them."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import typst
from PIL import Image

from polyrepro import atlas as package
from polyrepro.atlas import THEMES, AtlasError, write_atlas
from polyrepro.atlas.statements import tests_in as statement_tests_in
from polyrepro.cli import main
from polyrepro.figures.saving import save
from polyrepro.figures.style import TEXT_WIDTH, in_style
from polyrepro.files import write_json
from polyrepro.report.atlas import atlas_values
from polyrepro.report.caption_numbers import caption_numbers

REPOSITORY = Path(__file__).parents[2]
NOT_SHOWN = {
    "squared_error_predicts_the_ten_percent": "contradicted",
    "boosted_quantiles_give_a_band": "contradicted",
    "advice_on_delta": "left out",
    "advice_on_the_choice": "left out",
    "advice_on_outliers": "left out",
    "advice_on_alpha": "left out",
    "gates_in_training": "left out",
}
CHEAP = ("margins", "log_cosh", "sparsity")
"""Themes that are made again, in this process, to be compared."""


def statements(results: Path) -> pd.DataFrame:
    table = pd.read_csv(results / "atlas/statements.csv").set_index("name")
    assert table.index.is_unique
    return table


def test_every_outcome_is_the_known_one(atlas):
    table = statements(atlas)
    assert set(table["theme"]) == set(THEMES) and len(table) > 80
    outcomes = table["outcome"]
    assert outcomes[outcomes != "shown"].to_dict() == NOT_SHOWN
    assert set(table["source"]) == {"survey", "essay", "this study"}


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("outlier_raises_rmse_more_than_mae", "MAE 1.00 to 3.70 (3.7 times), RMSE 1.22 to 6.79"),
        ("squared_error_predicts_the_ten_percent", "constant of least squared error: 136.50"),
        ("exponential_loss_is_sensitive_to_wrong_labels", "exponential 148.4, logistic 0.993"),
        ("hard_gate_jumps", "0.6931 = log 2"),
        ("newton_step_overshoots_far_away", "0.6 for 0.5, 13.6 for 2, 5506.6 for 5"),
        ("signs_cancel_in_the_mean_bias", "mean bias 0, mean absolute error 4"),
    ],
)
def test_evidence_holds_the_measured_numbers(atlas, name, numbers):
    assert numbers in statements(atlas).loc[name, "evidence"]


def test_all_evidence_is_said_in_words_and_numbers(atlas):
    table = statements(atlas)
    measured = table[table["outcome"] != "left out"]["evidence"]
    assert measured.str.contains(r"\d").all()
    assert not table["evidence"].str.contains("nan|inf |None").any()


def test_another_process_tests_and_draws_the_same(atlas, tmp_path):
    table = statements(atlas)
    for theme in CHEAP:
        module = importlib.import_module(f"polyrepro.atlas.{theme}")
        for test in statement_tests_in(module):
            assert test().evidence == table.loc[test.__name__, "evidence"]
        with in_style():
            save([module.figure()], tmp_path / theme)
        for suffix in (".pdf", ".png"):
            made = (tmp_path / theme).with_suffix(suffix)
            assert made.read_bytes() == (atlas / "atlas" / made.name).read_bytes(), made.name


@pytest.mark.parametrize("theme", THEMES)
def test_figures_are_valid_and_of_a_paper_s_width(atlas, theme):
    pdf = (atlas / f"atlas/{theme}.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-") and b"/Type3" not in pdf and b"CreationDate" not in pdf
    box = re.search(rb"/MediaBox \[\s*0 0 ([\d.]+) ([\d.]+)\s*\]", pdf)
    width, height = (float(side) / 72 for side in box.groups())
    assert 0.5 * TEXT_WIDTH < width <= TEXT_WIDTH + 1e-6
    with Image.open(atlas / f"atlas/{theme}.png") as image:
        assert image.size == pytest.approx((200 * width, 200 * height), abs=1)


@pytest.mark.parametrize("theme", ["regression", "outliers", "margins", "probabilities", "gates"])
def test_texts_are_legible_and_lie_on_the_paper(theme):
    with in_style():
        figure = importlib.import_module(f"polyrepro.atlas.{theme}").figure()
        figure.draw_without_rendering()
        boxes = [axes.get_tightbbox() for axes in figure.axes]
        texts = [text for axes in figure.axes for text in axes.texts]
        labels = [label for axes in figure.axes for label in axes.get_xticklabels()]
    assert all(text.get_fontsize() >= 6 for text in (*texts, *labels))
    for box in boxes:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1
        assert box.y0 >= 0 and box.y1 <= figure.bbox.y1
    for axes in figure.axes:
        assert axes.get_xlabel() or axes.get_xticklabels()
        assert axes.get_ylabel() or axes.get_yticklabels()


def test_every_theme_has_a_file_a_caption_and_a_place_in_the_chapter():
    chapter = (REPOSITORY / "report/sections/atlas.typ").read_text()
    for theme in THEMES:
        assert (REPOSITORY / f"polyrepro/atlas/{theme}.py").exists()
        assert (REPOSITORY / f"workflow/report/atlas_{theme}.rst").read_text().strip()
        assert f'#theme("{theme}")' in chapter


def test_values_of_the_report(atlas, tmp_path):
    values = atlas_values(atlas)
    assert list(values["themes"]) == list(THEMES)
    counts = {entry["outcome"]: entry["count"] for entry in values["outcomes"]}
    assert counts["contradicted"] == 2 and sum(counts.values()) == values["count"]
    bias = next(row for row in values["properties"] if row["loss"] == "mean bias")
    assert (bias["signs_cancel"], bias["differentiable"]) == ("yes", "twice")
    shown = {s["name"]: s for theme in values["themes"].values() for s in theme["statements"]}
    assert "labels −1 and 1" in shown["conventions_of_labels_agree"]["text"]
    assert "two-class" in shown["multi_class_gate_contains_the_two_class_gate"]["text"]
    assert atlas_values(tmp_path) is None


def test_the_chapter_can_be_typeset(atlas, tmp_path):
    values = {"atlas": atlas_values(atlas), "confidence": "95", "numbers": caption_numbers()}
    write_json(tmp_path / "values.json", values)
    chapter = tmp_path / "chapter.typ"
    sections = REPOSITORY / "report/sections/atlas.typ"
    references = REPOSITORY / "report/references.bib"
    chapter.write_text(f'#include "{sections}"\n#bibliography("{references}")\n')
    pdf = typst.compile(
        str(chapter),
        root="/",
        ignore_system_fonts=True,
        sys_inputs={"values": str(tmp_path / "values.json"), "folder": str(atlas)},
    )
    assert pdf.startswith(b"%PDF") and len(pdf) > 100_000


def test_the_registry_is_light():
    program = (
        "import sys, polyrepro.atlas, polyrepro.report.atlas\n"
        "print([m for m in ('matplotlib', 'torch', 'sklearn', 'lightgbm') if m in sys.modules])"
    )
    words = [sys.executable, "-c", program]
    printed = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


def test_lightgbm_runs_on_the_openmp_of_torch():
    """It needs none of the system, which a plain machine may not have."""
    program = (
        "import polyrepro.atlas.boosted, lightgbm\n"
        "print(*{line.split()[-1] for line in open('/proc/self/maps') if 'libgomp' in line})"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, "-c", program]
    printed = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    if "torch/lib/libgomp" not in printed.stdout:
        pytest.skip("this torch brings no libgomp")
    assert all("site-packages" in path for path in printed.stdout.split())


def test_a_missing_library_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(AtlasError, match=r"the atlas needs lightgbm, .*polyrepro\[workflow\]"):
        write_atlas(tmp_path / "atlas")
    assert not (tmp_path / "atlas").exists()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr(package, "statements_table", pytest.fail)
    with pytest.raises(SystemExit, match="polyrepro: error: cannot write results to"):
        main(["atlas", "--output", str(tmp_path / "file")])
