"""The project's own files agree with each other."""

import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[1]


def direct_requirements() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += [requirement for extra in extras.values() for requirement in extra]
    names = {re.match(r"[a-z0-9-]+", requirement).group() for requirement in wanted}
    return names - {"polyrepro"}  # an extra may include another


def locked_versions() -> dict[str, str]:
    """Versions in the lock for Python 3.11."""
    versions = {}
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    for line in lines:
        match = re.match(r"([a-z0-9-]+)==([^ ]+)(.*)", line)
        if match and "python_full_version >= '3.12'" not in match.group(3):
            versions[match.group(1)] = match.group(2)
    return versions


def test_every_requirement_is_locked():
    assert direct_requirements() <= set(locked_versions())


def test_every_locked_package_has_hashes_and_no_index_is_named():
    text = (ROOT / "requirements.lock").read_text()
    packages = re.findall(r"^[a-z0-9-]+==", text, re.M)
    hashed = re.findall(r"^[a-z0-9-]+==[^\n]*\\\n    --hash=sha256:", text, re.M)
    assert len(packages) == len(hashed) > 50
    assert "://" not in text and "index-url" not in text


def test_conda_environment_has_the_versions_of_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    stated = dict(requirement.split("==") for requirement in pip)
    locked = locked_versions()
    assert stated == {name: locked[name] for name in direct_requirements()}


@pytest.mark.parametrize("name", ["README.md", "config/README.md", "CITATION.cff", "LICENSE"])
def test_document_exists_and_names_no_missing_file(name):
    text = (ROOT / name).read_text()
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert ((ROOT / name).parent / link).exists(), f"{name} links to {link}, which is missing"


def test_continuous_integration_runs_the_test_command_of_the_readme():
    assert "make test" in (ROOT / ".ci/run").read_text().splitlines()
    assert "make test" in (ROOT / "README.md").read_text()


def test_configuration_guide_explains_every_key():
    from polyrepro.settings import Overrides, Settings

    guide = (ROOT / "config/README.md").read_text()
    for key in [*Settings.model_fields, *Overrides.model_fields]:
        assert f"`{key}`" in guide


def test_prices_in_the_readme_are_those_of_the_command(capsys):
    from polyrepro.cli import main

    main(["estimate", "--scale", "paper"])
    lines = filter(None, capsys.readouterr().out.splitlines())
    printed = {line.split()[0]: line.split()[1:] for line in lines}
    readme = (ROOT / "README.md").read_text().split("### What it costs", 1)[1]
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (\S+) \| (\S+) \| (\S+) \|$", readme, re.M)
    assert len(rows) == 12
    for study, runs, alone, after in rows:
        assert printed[study][:2] == [runs, alone] and printed[study][3] == after


def test_results_in_the_readme_are_those_of_the_reference():
    """Each row repeats a claim of results/reference/embedded/claims.csv, rounded."""
    from polyrepro.report.labels import METRIC_LABELS

    claims = pd.read_csv(ROOT / "results/reference/embedded/claims.csv")
    readme = (ROOT / "README.md").read_text()
    section = readme.split("## Results", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    shown = {row[0]: row for row in rows[1:]}
    assert set(shown) == set(claims["statement"])
    for statement, contrasts in claims.groupby("statement"):
        _, _, measured, outcome = shown[statement]
        assert outcome == contrasts["outcome"].iloc[0]
        for contrast in contrasts.itertuples():
            digits = 2 if contrast.contrast.split(" ")[0] in METRIC_LABELS else 3
            sign = "+" if " - " in contrast.contrast else ""
            numbers = [
                f"{v:{sign}.{digits}f}" for v in (contrast.measured, contrast.low, contrast.high)
            ]
            text = f"{numbers[0]} ({numbers[1]} to {numbers[2]})".replace("-", "−")
            assert text in measured, statement
