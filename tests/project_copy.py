"""A copy of the project in which a test may run the workflow as it likes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SNAKEMAKE = [sys.executable, "-m", "snakemake"]
TINY = {
    "scale": "embedded",
    "studies": ["truncation", "poly_n"],
    "seeds": 2,
    "runs_per_job": 20,
    # Few images to train and to test on.
    "overrides": {"epochs": 1, "train_images": 128, "dataset": "kanji_10"},
}


def copy_project(folder: Path) -> Path:
    """A copy of the sources, so that tests neither lock nor change the checkout."""
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, folder / name)
    for name in (
        "workflow",
        "polyrepro",
        "config",
        "profiles",
        "report",
        "results/published",
        "results/reference",
    ):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    return folder


def snakemake(folder: Path, *arguments: str, config: dict | None = None):
    """Run Snakemake in a copy of the project, with that copy's package."""
    words = [*SNAKEMAKE, "--cores", "2", *arguments]
    if config is not None:
        (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    if (folder / "tiny.yaml").exists():
        words += ["--configfile", "tiny.yaml"]
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def job_counts(text: str) -> dict[str, int]:
    """The table `Job stats` of a Snakemake run."""
    table = text.split("Job stats:", 1)[1].split("\n\n", 1)[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}
