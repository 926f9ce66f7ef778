"""The files: valid, of the right size, the same each time; and what cannot be drawn."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import matplotlib
import pytest
from figures_drawn import EMBEDDED
from PIL import Image

from polyrepro.figures import FIGURES, FigureError, draw, file_of
from polyrepro.figures.style import TEXT_WIDTH
from polyrepro.studies import STUDIES

REPOSITORY = Path(__file__).parents[2]


def copy_tables(results: Path, folder: Path) -> Path:
    """A results folder of the test's own with the same tables and runs."""
    for name in ("metrics.csv", "statistics.csv", "claims.csv"):
        shutil.copy(results / name, folder)
    for name in ("runs", "data"):
        (folder / name).symlink_to(results / name)
    return folder


@pytest.fixture(scope="module")
def drawn(results, tmp_path_factory):
    """The files of a figure by their names; it is drawn when it is first wanted."""
    folder = copy_tables(results, tmp_path_factory.mktemp("drawn"))
    figures = folder / "figures"
    figures.mkdir()

    @cache
    def files_of(name: str) -> dict[str, Path]:
        before = set(figures.iterdir())
        draw(name, folder)
        return {path.name: path for path in set(figures.iterdir()) - before}

    return files_of


@pytest.mark.parametrize("name", EMBEDDED)
def test_pdf_and_png_are_valid_and_of_a_paper_s_width(name, drawn):
    files = drawn(name)
    assert set(files) == {f"{name}.pdf", f"{name}.png"}
    pdf = files[f"{name}.pdf"].read_bytes()
    assert pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF")
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf, "fonts are embedded as outlines"
    assert b"CreationDate" not in pdf
    boxes = re.findall(rb"/MediaBox \[\s*0 0 ([\d.]+) ([\d.]+)\s*\]", pdf)
    widths, heights = zip(*((float(x) / 72, float(y) / 72) for x, y in boxes), strict=True)
    assert list(widths) == pytest.approx([TEXT_WIDTH] * len(widths)), (
        "figures are not scaled in the report"
    )
    width, height = widths[0], sum(heights)  # pages are below each other in the PNG
    with Image.open(files[f"{name}.png"]) as image:
        image.load()
        assert image.format == "PNG"
        assert image.size == pytest.approx((200 * width, 200 * height), abs=1)


def test_another_process_and_another_taste_draw_the_same_bytes(drawn, results, tmp_path):
    """The user's own matplotlib settings and Python's hash seed play no part.

    These figures use every way of drawing that there is.
    """
    names = ("losses", "long_tail", "poly_n", "leading_share", "truncation_variants", "forest")
    copy_tables(results, tmp_path)
    (tmp_path / "matplotlibrc").write_text("font.size: 30\naxes.facecolor: yellow\n")
    program = (
        "import sys, pathlib, polyrepro.figures as f\n"
        "for name in sys.argv[2:]: f.draw(name, pathlib.Path(sys.argv[1]))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "1", "MATPLOTLIBRC": str(tmp_path)}
    environment["PYTHONPATH"] = str(REPOSITORY)
    words = [sys.executable, "-c", program, str(tmp_path), *names]
    subprocess.run(words, env=environment, check=True)
    here = {file: path for name in names for file, path in drawn(name).items()}
    there = {path.name: path for path in (tmp_path / "figures").iterdir()}
    assert set(here) == set(there) and len(here) == 2 * len(names)
    for file, path in here.items():
        assert path.read_bytes() == there[file].read_bytes(), file


@pytest.mark.parametrize("name", ["poly_n", "leading_share", "truncation_variants"])
@pytest.mark.parametrize("kind", ["single_seed_results", "cut_results"])
def test_figures_without_intervals_or_variants_can_be_saved(request, kind, name, tmp_path):
    folder = copy_tables(request.getfixturevalue(kind), tmp_path)
    draw(name, folder)
    assert (folder / f"figures/{name}.pdf").stat().st_size > 5000


def test_the_losses_need_no_tables_and_leave_matplotlib_s_settings_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    draw("losses", tmp_path)
    assert (tmp_path / "figures/losses.pdf").exists()
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("epsilon_sweeps", "unknown figure 'epsilon_sweeps'; did you mean 'epsilon_sweep'?"),
        ("accuracy", "unknown figure 'accuracy'."),
    ],
)
def test_unknown_figure_is_an_error_that_names_the_known_ones(name, text, tmp_path):
    with pytest.raises(FigureError) as error:
        draw(name, tmp_path)
    assert str(error.value) == f"{text} Known are: {', '.join(FIGURES)}"


def test_a_missing_table_is_an_error_that_says_how_to_make_it(tmp_path):
    table = tmp_path / "metrics.csv"
    with pytest.raises(FigureError) as error:
        draw("truncation", tmp_path)
    assert str(error.value) == (
        f"{table} does not exist; make it with: snakemake --cores 2 {table}"
    )


def test_a_study_that_was_not_run_is_an_error_that_says_how_to_run_it(results, tmp_path):
    for name in ("metrics.csv", "statistics.csv"):
        lines = (results / name).read_text().splitlines(keepends=True)
        (tmp_path / name).write_text("".join(x for x in lines if not x.startswith("long_tail")))
    with pytest.raises(FigureError, match=r"'long_tail' needs the study 'long_tail'.*--config"):
        draw("long_tail", tmp_path)
    draw("truncation", tmp_path)
    assert (tmp_path / "figures/truncation.pdf").exists()


def test_every_figure_has_a_file_a_caption_and_a_known_study():
    for name, study in FIGURES.items():
        assert (REPOSITORY / f"polyrepro/figures/{file_of(name)}.py").exists()
        assert (REPOSITORY / f"workflow/report/{file_of(name)}.rst").read_text().strip()
        assert study is None or study in STUDIES
    assert set(STUDIES) <= set(FIGURES.values())


def test_the_registry_is_light():
    program = (
        "import sys, polyrepro.figures\n"
        "print([m for m in ('matplotlib', 'pandas', 'torch') if m in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"
