"""A series from outside the package as a variant of a study: one new file and the study's own."""

import json

import pandas as pd
from project_copy import snakemake

SERIES = '''
from dataclasses import dataclass

from polyrepro.losses import Series


@dataclass(frozen=True)
class Shifted(Series):
    """Cross-entropy plus a shift times (1 - P_t)^2."""

    shift: float = 0.0

    def polynomial(self, q):
        return self.shift * q**2
'''
VARIANT = 'Variant(name="shifted", loss=Loss(series="my_losses:Shifted", arguments={"shift": 1.5}))'


def add_variant(project, variant):
    (project / "my_losses.py").write_text(SERIES)
    study = project / "polyrepro/studies/truncation.py"
    text = study.read_text()
    text = text.replace("variants=(cross_entropy(),", f"variants=(cross_entropy(), {variant},")
    text = text.replace("(REFERENCE, *(", '(REFERENCE, "shifted", *(')
    study.write_text(f"{text}\nfrom polyrepro.variants import Loss, Variant\n")
    study.write_text("from polyrepro.variants import Loss, Variant\n" + text)


def test_it_is_trained_drawn_and_reported_and_nothing_else_is_trained(project):
    results = project / "results/tiny"
    runs = results / "runs"
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("record.json")}
    add_variant(project, VARIANT)
    process = snakemake(project)
    assert process.returncode == 0, process.stdout + process.stderr
    after = {path: path.stat().st_mtime_ns for path in runs.rglob("record.json")}
    trained = [path for path in after if before.get(path) != after[path]]
    assert {path.parent.parent.name for path in trained} == {"shifted"}
    metrics = pd.read_csv(results / "metrics.csv")
    own = metrics[metrics["variant"] == "shifted"]
    assert set(own["label"]) == {"Shifted (shift = 1.5)"}
    assert set(own["series"]) == {"my_losses:Shifted"} and set(own["seed"]) == {0, 1}
    assert "Shifted (shift = 1.5)" in (results / "report.json").read_text()
    recipe = own["recipe"].iloc[0]
    record = json.loads((results / f"runs/{recipe}/shifted/seed0/record.json").read_text())
    assert len(record["series_source_sha256"]) == 64


def test_a_mistake_is_found_before_anything_is_trained(project):
    records = set(project.rglob("record.json"))
    add_variant(project, VARIANT.replace('"shift"', '"shfit"'))
    process = snakemake(project)
    assert process.returncode != 0
    assert "has no argument 'shfit'; did you mean 'shift'" in process.stdout + process.stderr
    assert set(project.rglob("record.json")) == records
