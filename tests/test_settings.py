"""Configuration: each mistake is an error that names the key, the value and the mend."""

import argparse
import re
import shlex

import pytest
import yaml

from polyrepro.options import add_settings, command, settings_of
from polyrepro.settings import SettingsError, check_settings

GOOD = {
    "scale": "embedded",
    "studies": "all",
    "seeds": 3,
    "runs_per_job": 10,
    "results": "results/embedded",
}


def test_the_shipped_configuration_is_good():
    with open("config/config.yaml", encoding="utf-8") as file:
        settings = check_settings(yaml.safe_load(file))
    assert settings.scale == "embedded" and len(settings.studies) == 9 and settings.seeds >= 3


def test_studies_are_given_as_all_a_list_or_text_with_commas():
    assert check_settings(GOOD | {"studies": ["poly_n"]}).studies == ["poly_n"]
    both = check_settings(GOOD | {"studies": "poly_n,truncation"}).studies
    assert both == ["truncation", "poly_n"]  # in the order of the report


def test_references_are_a_list_or_text_with_commas():
    assert check_settings(GOOD).references == []
    folders = ["results/paper", "results/embedded_full"]
    for given in (folders, ",".join(folders)):
        assert check_settings(GOOD | {"references": given}).references == folders
    with pytest.raises(SettingsError, match=r"references: .*valid list"):
        check_settings(GOOD | {"references": 3})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sceds": 3}, r"sceds: unknown key; did you mean 'seeds'\?"),
        ({"overrides": {"epoch": 1}}, r"overrides.epoch: unknown key; did you mean 'epochs'\?"),
        ({"scale": "embeded"}, r"unknown scale 'embeded'; did you mean 'embedded'\?"),
        ({"studies": ["epsilon_swep"]}, r"unknown study 'epsilon_swep'; did you mean 'epsilon_s"),
        ({"studies": []}, r'give "all" or a list of study names'),
        ({"studies": 3}, r'give "all" or a list of study names, not 3'),
        ({"data": {"images32_long_tail": "x"}}, r"unknown data set 'images32_long_tail'; did you"),
        ({"seeds": 0}, r"seeds: .*greater than or equal to 1, got 0"),
        ({"seeds": -2}, r"seeds: .*got -2"),
        ({"seeds": True}, r"seeds: .*valid integer, got True"),
        ({"seeds": float("nan")}, r"seeds: .*got nan"),
        ({"seeds": "1e-3"}, r"seeds: .*got '1e-3' \(YAML reads this as text"),
        ({"overrides": {"epochs": -1}}, r"overrides.epochs: .*got -1"),
        ({"results": ""}, r"results: .*at least 1 character"),
        ({"results": "a{b}*"}, r"results: the results folder 'a\{b\}\*' contains \* \{ \}, which"),
        ({"results": "a\nb"}, r"results: a path cannot contain line breaks"),
        ({"scale": "papre"}, r"unknown scale 'papre'; did you mean 'paper'\? Known are: embedded"),
        ({"studies": "pretraining_s"}, r"'pretraining_s' does not exist at the scale 'embedded'"),
        ({"device": "gpu"}, r"device: .*'cpu' or 'cuda', got 'gpu'"),
        ({"data": {"imagenet": "/x"}}, r"unknown data set 'imagenet'; did you mean 'imagenet1k'"),
        (
            {"labels": {"coco": "/x.csv"}},
            r"labels: unknown data set 'coco'\. Known are: imagenet1k,",
        ),
        ({"data": {"imagenet1k": ""}}, r"data.imagenet1k: .*at least 1 character"),
        ({"cache": {"coco": {"folder": "/x"}}}, r"cache: unknown data set 'coco'"),
        ({"cache": {"imagenet1k": "/x"}}, r"cache.imagenet1k: .*got '/x'"),
        ({"cache": {"imagenet1k": {}}}, r"cache.imagenet1k.folder: missing"),
        (
            {"cache": {"imagenet1k": {"folder": "/x", "shorter_side": "16"}}},
            r"cache.imagenet1k.shorter_side: .*greater than or equal to 32, got 16",
        ),
        (
            {"overrides": {"dataset": "a$(touch x)"}},
            r"overrides.dataset: unknown data set 'a\$\(touch x\)'\. Known are: fashion_mnist",
        ),
        ({"weights": {"resnet50": {}}}, r"weights.resnet50.sha256: missing"),
        (
            {"weights": {"efficientnetv2_s_imagenet21k": {"path": "x", "sha256": "abc"}}},
            r"weights.efficientnetv2_s_imagenet21k.sha256: .*match pattern.*got 'abc'",
        ),
        ({"results": None}, r"results: .*valid string, got None"),
    ],
)
def test_a_wrong_value_is_named(change, message):
    with pytest.raises(SettingsError, match=message):
        check_settings(GOOD | change)


def test_any_path_of_data_is_taken_as_it_is_and_a_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    odd = "~/my data, [2] = {a} @ $HOME"
    settings = check_settings(GOOD | {"data": {"imagenet1k": odd}, "results": "~/my results"})
    assert settings.data["imagenet1k"] == f"/home/someone{odd[1:]}"
    assert settings.results == "/home/someone/my results"


def test_a_command_to_paste_gives_the_settings_back(tmp_path, monkeypatch):
    """Messages quote complete commands: overrides and odd paths included."""
    weights = {"path": "w.safetensors", "sha256": "0" * 64}
    settings = check_settings(
        GOOD
        | {"results": str(tmp_path / "a b"), "overrides": {"epochs": 3}, "seeds": 2}
        | {"weights": {"efficientnetv2_s_imagenet21k": weights}}
    )
    words = shlex.split(command(settings, "select", "best"))
    assert words[:3] == ["polyrepro", "select", "best"]
    parser = argparse.ArgumentParser()
    add_settings(parser)
    assert settings_of(parser.parse_args(words[3:])) == settings


def test_numbers_inside_a_mapping_on_the_command_line_are_read():
    """Snakemake hands over `--config overrides='{epochs: 1}'` with the 1 as text."""
    assert check_settings(GOOD | {"overrides": {"epochs": "1"}}).overrides.epochs == 1
    with pytest.raises(SettingsError, match=r"overrides.epochs: .*got '1e-3' \(YAML reads"):
        check_settings(GOOD | {"overrides": {"epochs": "1e-3"}})


def test_overridden_recipes_do_not_pass_for_those_of_the_scale():
    paper = GOOD | {"scale": "paper"}
    assert check_settings(paper).scale_label == "paper"
    assert check_settings(paper | {"overrides": {"images_per_device": 8}}).scale_label == "paper"
    shorter = paper | {"overrides": {"epochs": 1}}
    assert check_settings(shorter).scale_label == "paper, overridden"


def test_yaml_really_reads_1e_3_as_text():
    """The trap that the hint is about."""
    assert yaml.safe_load("seeds: 1e-3") == {"seeds": "1e-3"}


def test_a_missing_key_is_named():
    with pytest.raises(SettingsError, match=r"seeds: missing"):
        check_settings({key: value for key, value in GOOD.items() if key != "seeds"})


def test_every_problem_is_named_at_once():
    with pytest.raises(SettingsError) as error:
        check_settings(GOOD | {"seeds": 0, "scale": "x", "unknown": 1})
    assert len(re.findall(r"\n  ", str(error.value))) == 3


@pytest.mark.parametrize("text", ["seeds: &s 3\nruns_per_job: *s", "overrides: &o {more: *o}"])
def test_aliases_are_refused_before_they_grow(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"config.yaml, line \d: YAML aliases \(\*.\) are not"):
        check_settings(GOOD, (path,))


def test_long_values_are_shown_short():
    with pytest.raises(SettingsError) as error:
        check_settings(GOOD | {"seeds": [[["x"] * 100] * 100] * 100})
    assert len(str(error.value)) < 500


def test_a_key_given_twice_is_refused(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("seeds: 3\nscale: embedded\nseeds: 5\n")
    with pytest.raises(SettingsError, match=r"config.yaml: the key 'seeds' is given twice"):
        check_settings(GOOD, (file,))


def test_a_file_that_is_not_yaml_is_refused(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("seeds: [3\n")
    with pytest.raises(SettingsError, match="is not valid YAML"):
        check_settings(GOOD, (file,))


def test_true_on_snakemakes_command_line_is_what_it_is_in_yaml():
    assert check_settings(GOOD | {"tensorboard": "true"}).tensorboard is True
    with pytest.raises(SettingsError, match="tensorboard: Input should be a valid boolean"):
        check_settings(GOOD | {"tensorboard": "perhaps"})
