"""The commands: a user's mistake is one message on standard error, not a traceback."""

import pytest

from polyrepro.cli import main, plan_options, train_options
from polyrepro.runs import InitialWeights
from polyrepro.settings import Overrides, Settings

WEIGHTS = InitialWeights(path="weights/s.safetensors", sha256="0" * 64)


def error_of(capsys, *arguments):
    """What a failing command prints on standard error, or exits with."""
    with pytest.raises(SystemExit) as exit_info:
        main([str(argument) for argument in arguments])
    assert exit_info.value.code not in (0, None)
    return f"{capsys.readouterr().err}{exit_info.value.code}"


def test_unknown_run(capsys, tmp_path):
    message = error_of(capsys, "train", "--results", tmp_path, "fashion_mnist/poly1_e+7/seed0")
    assert "no study has a run 'fashion_mnist/poly1_e+7/seed0'" in message


def test_run_whose_selection_is_missing(capsys, tmp_path):
    message = error_of(capsys, "train", "--results", tmp_path, "fashion_mnist/poly2_e+1/seed0")
    assert "needs the coefficients chosen by best_poly_n1" in message


def test_results_folder_that_cannot_be_made(capsys, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    run = "fashion_mnist/cross_entropy/seed0"
    message = error_of(capsys, "train", "--results", blocked / "results", run)
    assert f"cannot write results to {blocked / 'results'}" in message


@pytest.mark.parametrize("value", ["0", "-1", "x", "1e3"])
def test_numbers_out_of_range(capsys, tmp_path, value):
    run = "fashion_mnist/cross_entropy/seed0"
    message = error_of(capsys, "train", "--results", tmp_path, f"--epochs={value}", run)
    assert f"must be a whole number, at least 1, not {value!r}" in message


def test_collecting_runs_that_have_not_been_trained(capsys, tmp_path):
    arguments = ["--results", tmp_path, "--seeds", 1, "--studies", "truncation"]
    message = error_of(capsys, "collect", *arguments, "--output", tmp_path / "metrics.csv")
    assert "fashion_mnist/cross_entropy/seed0 has no readable record" in message
    assert f"polyrepro train --results {tmp_path}" in message
    assert not (tmp_path / "metrics.csv").exists()


def test_unknown_selection_and_figure(capsys, tmp_path):
    message = error_of(capsys, "select", "best", "--results", tmp_path, "--seeds", 1)
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


def test_options_of_the_rules_give_the_settings_back(tmp_path):
    """The workflow passes settings through command lines; nothing may be lost on the way."""
    from polyrepro import cli

    settings = Settings(
        scale="embedded",
        studies=["poly_n", "truncation"],
        seeds=2,
        runs_per_job=1,
        results=str(tmp_path),
        overrides=Overrides(epochs=3, train_images=100),
        weights={"efficientnetv2_s_imagenet21k": WEIGHTS},
    )
    words = plan_options(settings).split()
    assert cli._plan(cli._parser().parse_args(["report", *words])).settings == settings


def test_options_of_a_training_give_its_settings_back(tmp_path):
    from polyrepro import cli

    settings = Settings(
        scale="paper",
        studies=["finetuning_s"],
        seeds=1,
        runs_per_job=1,
        results=str(tmp_path),
        device="cuda",
        processes_per_run=8,
        cpus_per_process=4,
        deterministic=False,
        weights={"efficientnetv2_s_imagenet21k": WEIGHTS},
    )
    words = train_options(settings).split()
    options = cli._parser().parse_args(["train", *words, "--timeout", "7", "some/run/seed0"])
    assert (options.device, options.processes, options.cpus) == ("cuda", 8, 4)
    assert options.not_deterministic and options.timeout == 7
    name, path, sha256 = options.weights[0]
    assert {name: InitialWeights(path=path, sha256=sha256)} == settings.weights
