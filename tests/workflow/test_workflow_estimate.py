"""The price list counts the runs that Snakemake would train."""

import re

import yaml
from project_copy import copy_project, job_counts, snakemake

from polyrepro.cli import main


def test_estimate_counts_the_runs_of_the_dry_run(tmp_path, capsys):
    """The whole paper scale, one run per job, in both."""
    folder = copy_project(tmp_path)
    config = yaml.safe_load((folder / "config/paper.yaml").read_text())
    assert config["runs_per_job"] == 1
    process = snakemake(folder, "-n", config=config)
    assert process.returncode == 0, process.stdout + process.stderr
    main(["estimate", "--configfile", str(folder / "config/paper.yaml")])
    estimated = int(re.search(r"^(\d+) runs, ", capsys.readouterr().out, re.M)[1])
    assert estimated == job_counts(process.stdout + process.stderr)["train"]
