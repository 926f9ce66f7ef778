"""A copy of the project in which a test may run the workflow as it likes."""

import atexit
import os
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import forked_python
import yaml

ROOT = Path(__file__).parents[1]
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
    ignore = shutil.ignore_patterns("*.egg-info")
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


@cache
def _server() -> tuple[str, str]:
    """The socket of a process whose copies run commands, and a `python` that they run in."""
    folder = TemporaryDirectory(prefix="forked_python")
    path, python = Path(folder.name, "socket"), Path(folder.name, "bin/python")
    code = Path(forked_python.__file__)
    python.parent.mkdir()
    words = [sys.executable, "-IS", code, path, sys.executable]
    python.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, words))} "$@"\n')
    python.chmod(0o755)
    command = [sys.executable, str(code), "serve", str(path)]
    server = subprocess.Popen(
        command, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout.readline() == "ready\n"
    atexit.register(folder.cleanup)
    atexit.register(server.communicate)
    return str(path), str(python)


def snakemake(folder: Path, *arguments: str, config: dict | None = None, **variables: str):
    """Run Snakemake in a copy of the project, with that copy's package.

    It and the commands that it runs are copies of one process (see `forked_python`).
    """
    words = ["snakemake", "--cores", "2", *arguments]
    if config is not None:
        (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    if (folder / "tiny.yaml").exists():
        words += ["--configfile", "tiny.yaml"]
    environment = os.environ | {"PYTHONPATH": str(folder)} | variables
    # Its many processes compile the package once, and copies of the copy have the bytecode too.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    path, environment["FORKED_PYTHON"] = _server()
    with TemporaryFile() as nothing, TemporaryFile() as stdout, TemporaryFile() as stderr:
        files = [file.fileno() for file in (nothing, stdout, stderr)]
        status = forked_python.run(path, words, str(folder), environment, files)
        printed = []
        for file in (stdout, stderr):
            file.seek(0)
            printed.append(file.read().decode())
        return subprocess.CompletedProcess(words, status, *printed)


def job_counts(text: str) -> dict[str, int]:
    """The table `Job stats` of a Snakemake run."""
    table = text.split("Job stats:", 1)[1].split("\n\n", 1)[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}
