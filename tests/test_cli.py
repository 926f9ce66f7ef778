"""The commands: a user's mistake is one message on standard error, not a traceback."""

import argparse

import pytest

from polyrepro.cli import main
from polyrepro.options import add_settings, settings_of


def error_of(capsys, *arguments):
    """What a failing command prints on standard error, or exits with."""
    with pytest.raises(SystemExit) as exit_info:
        main([str(argument) for argument in arguments])
    assert exit_info.value.code not in (0, None)
    return f"{capsys.readouterr().err}{exit_info.value.code}"


def test_unknown_run(capsys, tmp_path):
    message = error_of(
        capsys, "train", "--set", f"results={tmp_path}", "fashion_mnist/poly1_e+7/seed0"
    )
    assert "no study has a run 'fashion_mnist/poly1_e+7/seed0'" in message


def test_run_whose_selection_is_missing(capsys, tmp_path):
    message = error_of(
        capsys, "train", "--set", f"results={tmp_path}", "fashion_mnist/poly2_e+1/seed0"
    )
    assert "needs the coefficients chosen by best_poly_n1" in message


def test_results_folder_that_cannot_be_made(capsys, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    run = "fashion_mnist/cross_entropy/seed0"
    message = error_of(capsys, "train", "--set", f"results={blocked / 'results'}", run)
    assert f"cannot write results to {blocked / 'results'}" in message


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("seeds=0", "seeds: Input should be greater than or equal to 1, got 0"),
        ("overrides={epochs: x}", "overrides.epochs: Input should be a valid integer, got 'x'"),
        ("sedes=1", "sedes: unknown key; did you mean 'seeds'?"),
        ("seeds", "--set seeds: give KEY=VALUE, for example seeds=2"),
        ("seeds=[", "'[' is not valid YAML"),
    ],
)
def test_settings_on_the_command_line(capsys, assignment, message):
    run = "fashion_mnist/cross_entropy/seed0"
    assert message in error_of(capsys, "train", "--set", assignment, run)


def test_short_forms_of_what_is_changed_most_often(tmp_path):
    parser = argparse.ArgumentParser()
    add_settings(parser)
    words = ["--results", str(tmp_path), "--epochs", "1", "--set", "overrides={train_images: 5}"]
    settings = settings_of(parser.parse_args(words))
    assert settings.results == str(tmp_path)
    assert (settings.overrides.epochs, settings.overrides.train_images) == (1, 5)


def test_collecting_runs_that_have_not_been_trained(capsys, tmp_path):
    chosen = ["--set", f"results={tmp_path}", "--set", "studies=truncation"]
    message = error_of(capsys, "collect", *chosen, "--output", tmp_path / "metrics.csv")
    assert "kanji/cross_entropy/seed0 has no record" in message
    assert "polyrepro train kanji/cross_entropy/seed0 --scale embedded" in message
    assert f"--set results={tmp_path}" in message
    assert not (tmp_path / "metrics.csv").exists()


def test_unknown_selection_and_figure(capsys, tmp_path):
    message = error_of(capsys, "select", "best", "--set", f"results={tmp_path}")
    assert "unknown selection 'best'; known are: " in message and "best_poly_n1" in message
    assert "unknown figure 'x'" in error_of(capsys, "figure", "x", "--results", tmp_path)


@pytest.mark.parametrize(
    ("dataset", "option", "message"),
    [
        ("fashion_mnist", "--root", "fashion_mnist is part of the package and would not be read"),
        ("composites", "--root", "composites is part of the package and would not be read"),
        ("coco", "--labels", "coco has one kind of labels, its own; omit --labels"),
    ],
)
def test_data_options_that_would_be_ignored(capsys, tmp_path, dataset, option, message):
    arguments = ["data", "verify", dataset, option, tmp_path, "--output", tmp_path / "data"]
    assert message in error_of(capsys, *arguments)
    assert not (tmp_path / "data").exists()
