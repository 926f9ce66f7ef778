"""The figures and claims of the affordable scales, from results that are made up."""

import numpy as np
import pandas as pd
import pytest
from figures_drawn import figure_of
from made_up_results import write_results

from polyrepro.analysis.claims import evaluate_claims
from polyrepro.analysis.metrics_table import read_metrics
from polyrepro.studies import STUDIES

STUDIES_SHORT = ("truncation", "truncation_lr", "poly_n", "epsilon_sweep", "poly1_lr", "long_tail")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("short")
    return write_results(folder, seeds=4, scale="imagenet_short", studies="all")


def test_the_scale_runs_the_studies_of_imagenet():
    found = {name for name, study in STUDIES.items() if "imagenet_short" in study.recipes}
    assert found == set(STUDIES_SHORT)
    found = {name for name, study in STUDIES.items() if "coco_short" in study.recipes}
    assert found == {"mask_rcnn_epsilon", "retinanet_epsilon"}


@pytest.mark.parametrize("name", ["truncation", "truncation_lr", "poly_n", "long_tail", "forest"])
def test_its_figures_can_be_drawn(results, name):
    figure = figure_of(name, results)
    assert all(box.x1 <= figure.bbox.x1 for box in (a.get_tightbbox() for a in figure.axes))


def test_kitti_has_a_figure_of_its_own_and_verdicts(tmp_path):
    folder = write_results(tmp_path, seeds=4, scale="kitti", studies="all")
    figure = figure_of("pointpillars_kitti", folder)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    shown = ("AP40 moderate", "car AP40", "pedestrian AP40", "cyclist AP40")
    assert all(name in title for name, title in zip(shown, titles, strict=True))
    claims = pd.read_csv(folder / "claims.csv").set_index("claim")
    gain = claims.loc["pointpillars_kitti_gain"]
    assert np.isnan(gain["published"])  # the paper has no number
    assert gain["measured"] > 0 and gain["study"] == "pointpillars_kitti"


def test_its_verdicts_say_that_the_trainings_are_shorter(results):
    claims = pd.read_csv(results / "claims.csv")
    judged = claims[(claims["scale"] == "imagenet_short") & (claims["outcome"] != "not run")]
    assert set(judged["study"]) == set(STUDIES_SHORT)
    assert judged["verdict"].str.contains("shorter than the paper's").all()
    again = evaluate_claims(read_metrics(results / "metrics.csv"))
    assert len(again) == len(claims)
