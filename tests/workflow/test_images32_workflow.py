"""The scale of small images, from class folders to judged claims."""

import pandas as pd
from project_copy import copy_project, snakemake
from small_folders import write_folders


def test_class_folders_become_judged_claims(tmp_path):
    project = copy_project(tmp_path)
    write_folders(tmp_path / "pictures", per_class=30)
    configuration = {
        "scale": "cifar_cpu",
        "studies": ["long_tail", "truncation"],
        "seeds": 2,
        "runs_per_job": 30,
        "results": "results/small",
        "data": {"images32": "pictures"},
        "overrides": {"epochs": 1, "train_images": 32, "images_per_device": 16},
    }
    process = snakemake(project, "results/small/claims.csv", config=configuration)
    assert process.returncode == 0, process.stdout + process.stderr
    metrics = pd.read_csv(project / "results/small/metrics.csv")
    assert set(metrics["dataset"]) == {"images32", "images32_long_tail"}
    assert set(metrics["model"]) == {"polyrepro_resnet9_quarter"}
    assert {"top1", "top1_tail"} <= set(metrics["metric"])
    claims = pd.read_csv(project / "results/small/claims.csv")
    judged = claims[claims["outcome"] != "not run"]
    assert set(judged["study"]) == {"long_tail", "truncation"}
    assert set(judged["scale"]) == {"cifar_cpu, overridden"}
