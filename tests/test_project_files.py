"""The project's own files agree with each other."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import yaml

from polyrepro import __version__

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


@pytest.mark.parametrize(
    "name",
    [
        *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "config/README.md", "CITATION.cff"),
        "LICENSE",
    ],
)
def test_document_exists_and_names_no_missing_file(name):
    text = (ROOT / name).read_text()
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert ((ROOT / name).parent / link).exists(), f"{name} links to {link}, which is missing"


def test_version_is_that_of_the_citation_and_of_the_changelog():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == __version__
    newest = re.findall(r"^## \[(\d[^]]*)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)[0]
    assert newest == (__version__, str(cited["date-released"]))


def test_continuous_integration_runs_the_test_command_of_the_readme():
    assert "make test" in (ROOT / ".ci/run").read_text().splitlines()
    assert "make test" in (ROOT / "README.md").read_text()


def workflow_jobs() -> dict[str, dict]:
    return yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))


def test_hosted_integration_runs_commands_that_exist():
    steps = [step for job in workflow_jobs().values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    assert commands == [f"make PYTHON=python {target}" for target in ("lint", "test", "reproduce")]
    assert {command.split()[-1] for command in commands} <= make_targets()
    for action in (step["uses"] for step in steps if "uses" in step):
        assert re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", action)


def test_hosted_integration_tests_the_versions_of_python_that_are_supported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.13"
    assert workflow_jobs()["tests"]["strategy"]["matrix"]["python"] == ["3.11", "3.12"]


def test_hosted_integration_keeps_what_the_pipeline_makes():
    (upload,) = [
        step
        for step in workflow_jobs()["embedded"]["steps"]
        if "with" in step and "path" in step["with"]
    ]
    kept = {Path(line).name for line in upload["with"]["path"].split()}
    readme = (ROOT / "README.md").read_text()
    assert kept >= {"report.pdf", "summary.md", "claims.csv"}
    assert all(f"`{name}`" in readme for name in kept)


def test_hooks_before_a_commit_call_locked_tools():
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    tools = {hook["entry"].split()[0] for hook in local["hooks"]}
    assert tools == {".venv/bin/ruff", ".venv/bin/snakefmt", ".venv/bin/mypy"}
    assert {tool.rsplit("/", 1)[1] for tool in tools} <= set(locked_versions())


def test_commands_of_the_contributing_guide_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"\bmake ([a-z]+)", text)) <= make_targets()
    for path in re.findall(r"`((?:polyrepro|workflow|report|results|scripts|docs)/[^`<]*)`", text):
        assert (ROOT / path).exists(), path


def test_workflow_catalogue_names_deployments_that_the_rules_have():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage == {"software-stack-deployment": {"conda": True, "report": True}}
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        text = path.read_text()
        assert text.count("shell:") == text.count("../../environment.yml"), path


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
    with pytest.raises(ValueError, match=r"README\.md needs"):
        script("readme_tables").with_tables("no markers")


def test_summary_of_the_reference_is_that_of_its_claims():
    """The README repeats the summary, so the two files must be of one run."""
    reference = ROOT / "results/reference/embedded"
    claims = pd.read_csv(reference / "claims.csv")
    # The table also lists what the summary leaves out: claims without runs.
    claims = claims[claims["outcome"] != "not run"]
    lines = [
        line.strip("| ").split(" | ")
        for line in (reference / "summary.md").read_text().splitlines()
        if line.startswith("| ")
    ]
    shown = {cells[0]: cells[3].strip("*") for cells in lines[1:]}
    assert shown == dict(zip(claims["statement"], claims["outcome"], strict=True))
