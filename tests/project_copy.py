"""A copy of the project in which a test may run the workflow as it likes."""

import atexit
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

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


SERVER = """
import json, os, sys
import snakemake.cli

for line in sys.stdin:
    request = json.loads(line)
    if (child := os.fork()) == 0:
        for number, path in enumerate(("/dev/null", *request["printed"])):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.path.insert(0, request["folder"])
        snakemake.cli.main(request["words"])
        sys.exit("Snakemake has not ended the process")
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@cache
def _server() -> subprocess.Popen:
    """A process that has imported Snakemake; for each line it reads a copy of it runs it."""
    command = [sys.executable, "-c", SERVER]
    server = subprocess.Popen(
        command, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(server.communicate)
    return server


def snakemake(folder: Path, *arguments: str, config: dict | None = None, **variables: str):
    """Run Snakemake in a copy of the project, with that copy's package."""
    words = ["--cores", "2", *arguments]
    if config is not None:
        (folder / "tiny.yaml").write_text(yaml.safe_dump(config))
    if (folder / "tiny.yaml").exists():
        words += ["--configfile", "tiny.yaml"]
    environment = os.environ | {"PYTHONPATH": str(folder)} | variables
    # Its many processes compile the package once, and copies of the copy have the bytecode too.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with TemporaryDirectory() as temporary:
        printed = [Path(temporary, name) for name in ("stdout", "stderr")]
        request = {"folder": str(folder), "words": words, "environment": environment}
        server = _server()
        print(
            json.dumps(request | {"printed": [*map(str, printed)]}), file=server.stdin, flush=True
        )
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess(words, status, *(path.read_text() for path in printed))


def job_counts(text: str) -> dict[str, int]:
    """The table `Job stats` of a Snakemake run."""
    table = text.split("Job stats:", 1)[1].split("\n\n", 1)[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M)}
