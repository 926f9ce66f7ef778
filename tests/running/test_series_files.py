"""The file of a series of one's own: found where commands run, named if it has changed."""

import hashlib
import sys
from types import SimpleNamespace

import pytest

from polyrepro import __main__ as command
from polyrepro.files import record_path, write_json
from polyrepro.recipes import RECIPES
from polyrepro.running.own_series import source_of, warnings_of_changed_series
from polyrepro.runs import Run
from polyrepro.studies.consistency import StudyError
from polyrepro.variants import Loss, Variant


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory, with a module and a package."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "their_losses").mkdir()
    for name in ("my_losses.py", "their_losses/__init__.py", "their_losses/special.py"):
        (tmp_path / name).write_text("raise AssertionError('imported')\n")
    return tmp_path


def plan(folder, series):
    variant = Variant(name="own", loss=Loss(series=series))
    run = Run(recipe=RECIPES["fashion_mnist"], variant=variant, seed=3)
    return SimpleNamespace(settings=SimpleNamespace(results=str(folder / "out")), runs=[run])


def write_record(folder, planned, source):
    (run,) = planned.runs
    content = {"identity": run.identity(), "prefix": [], "initial_weights": None}
    content["series_source_sha256"] = hashlib.sha256(source).hexdigest()
    path = record_path(folder / "out", run.id)
    path.parent.mkdir(parents=True)
    write_json(path, content)


@pytest.mark.parametrize(
    ("module", "file"),
    [
        ("my_losses", "my_losses.py"),
        ("their_losses", "their_losses/__init__.py"),
        ("their_losses.special", "their_losses/special.py"),
        ("their_losses.missing", None),
        ("my_losses.special", None),
        ("sys", None),
    ],
)
def test_a_module_is_found_without_being_imported(here, module, file):
    assert source_of(module) == (file and here / file)


def test_runs_of_a_changed_file_are_named_with_what_trains_them_again(here):
    planned = plan(here, "my_losses:Mine")
    assert warnings_of_changed_series(planned) == []  # not trained yet
    write_record(here, planned, (here / "my_losses.py").read_bytes())
    assert warnings_of_changed_series(planned) == []
    (here / "my_losses.py").write_text("changed = True\n")
    (warning,) = warnings_of_changed_series(planned)
    assert warning.startswith(f"warning: {here}/my_losses.py has changed since these runs were")
    assert "records are kept: fashion_mnist/own/seed3. To" in warning
    assert warning.endswith(f"again: rm -r {here}/out/runs/fashion_mnist/own")


def test_series_of_the_package_are_no_files_of_the_user(here):
    planned = plan(here, "HardGate")
    write_record(here, planned, b"")
    assert warnings_of_changed_series(planned) == []


def test_a_study_that_is_refused_when_it_is_imported_is_one_message(here, monkeypatch):
    def refuse():
        raise StudyError("study mine: unknown recipe 'kanjii'")

    monkeypatch.setattr("polyrepro.cli.main", refuse)
    with pytest.raises(SystemExit, match="polyrepro: error: study mine: unknown recipe 'kanjii'"):
        command.main()


def test_the_installed_command_finds_modules_where_it_runs(here, monkeypatch):
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(here))])
    monkeypatch.setattr("polyrepro.cli.main", lambda: None)
    command.main()
    assert sys.path[-1] == str(here)
