"""The project's own files agree with each other."""

import importlib.util
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


def script(name: str):
    """A file of `scripts/` as a module."""
    specification = importlib.util.spec_from_file_location(name, ROOT / f"scripts/{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_tables_of_the_readme_are_up_to_date():
    readme = (ROOT / "README.md").read_text()
    written = script("readme_tables").with_tables(readme)
    assert written == readme, "run .venv/bin/python scripts/readme_tables.py"


def test_tables_of_the_readme_need_their_markers():
    with pytest.raises(ValueError, match="needs .<!-- begin results"):
        script("readme_tables").with_tables("no markers")


def test_summary_of_the_reference_is_that_of_its_claims():
    """The README repeats the summary, so the two files must be of one run."""
    reference = ROOT / "results/reference/embedded"
    claims = pd.read_csv(reference / "claims.csv")
    lines = [
        line.split(" | ")
        for line in (reference / "summary.md").read_text().splitlines()
        if line.startswith("| ")
    ]
    shown = {cells[1]: cells[3].strip("*") for cells in lines[1:]}
    assert shown == dict(zip(claims["statement"], claims["outcome"], strict=True))
