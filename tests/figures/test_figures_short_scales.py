"""The figures and claims of the affordable scales, from results that are made up."""

import numpy as np
import pandas as pd
import pytest
from figures_drawn import figure_of, legend_labels, line
from made_up_results import write_results
from matplotlib.colors import to_hex

from polyrepro.analysis.claims import evaluate_claims
from polyrepro.analysis.metrics_table import read_metrics
from polyrepro.figures.pointpillars_detections import LOOKS, RIGHT, WRONG
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


@pytest.fixture(scope="module")
def kitti(tmp_path_factory):
    return write_results(tmp_path_factory.mktemp("kitti"), seeds=4, scale="kitti", studies="all")


def test_kitti_has_a_figure_of_its_own_and_verdicts(kitti):
    figure = figure_of("pointpillars_kitti", kitti)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    shown = ("AP40 moderate", "car AP40", "pedestrian AP40", "cyclist AP40")
    assert all(name in title for name, title in zip(shown, titles, strict=True))
    claims = pd.read_csv(kitti / "claims.csv").set_index("claim")
    gain = claims.loc["pointpillars_kitti_gain"]
    assert np.isnan(gain["published"])  # the paper has no number
    assert gain["measured"] > 0 and gain["study"] == "pointpillars_kitti"


def test_kitti_has_the_figures_of_the_drawn_scenes_too(kitti):
    """The third objects of the written frames are cyclists."""
    figure = figure_of("pointpillars_kitti_detections", kitti)
    frames = len(figure.axes) // 3
    looks = legend_labels("pointpillars_kitti_detections", kitti)
    assert looks[1] == "right class, IoU ≥ 0.7 (pedestrian, cyclist 0.5)"
    for objects, *found in zip(*np.array(figure.axes).reshape(3, frames), strict=True):
        corners = [path.vertices for path in objects.collections[1].get_paths()[:3]]
        # They stand 6 to 10 m ahead, not at the depths that the camera's coordinates would give.
        middles = np.array([part[:4].mean(0) for part in corners])
        np.testing.assert_allclose(sorted(middles[:, 1]), [6.8, 7.8, 8.8], atol=0.01)
        for axes in found:
            colours = [to_hex(c).upper() for c in axes.collections[1].get_colors()][:4]
            assert sorted(colours) == sorted([LOOKS[WRONG], *[LOOKS[RIGHT]] * 3])
    for axes in figure_of("pointpillars_kitti_pt", kitti).axes:
        assert np.isfinite(line(axes, "focal loss")[1:]).all()


def test_its_verdicts_say_that_the_trainings_are_shorter(results):
    claims = pd.read_csv(results / "claims.csv")
    judged = claims[(claims["scale"] == "imagenet_short") & (claims["outcome"] != "not run")]
    assert set(judged["study"]) == set(STUDIES_SHORT)
    assert judged["verdict"].str.contains("shorter than the paper's").all()
    again = evaluate_claims(read_metrics(results / "metrics.csv"))
    assert len(again) == len(claims)
