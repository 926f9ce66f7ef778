"""What the figures of the detection studies show, read back from the axes."""

from itertools import combinations

import numpy as np
import pytest
from figures_drawn import figure_of, intervals, legend_labels, line, rows_of
from matplotlib.colors import to_hex

from polyrepro.data.lidar.lidar_format import open_lidar
from polyrepro.data.lidar.range_images import BEAMS, COLUMNS, range_images
from polyrepro.figures import FigureError, draw, style
from polyrepro.figures.detection_curves import METRICS
from polyrepro.figures.names import METRIC_LABELS
from polyrepro.figures.pointpillars_detections import LOOKS, RIGHT, WRONG
from polyrepro.figures.pointpillars_epsilon import METRICS as LIDAR_METRICS
from polyrepro.figures.range_segmentation import METRICS as SEGMENTATION_METRICS
from polyrepro.figures.shown import IMAGES, LEAST_OBJECTS_3D, SCENES
from polyrepro.figures.style import in_style
from polyrepro.files import target_probability_path
from polyrepro.studies import STUDIES

# Of the paper's Table 1, at the coefficient that it is known for or else at the chosen one.
MASK_RCNN_GAINS = {"box_ar100": [[-1, 2.5]], "mask_ar100": [[-1, 2.1]]}
LIDAR_GAINS = {"vehicle_ap_l1": [[-0.4, 0.4]], "pedestrian_ap_l1": [[-0.4, 0.7]]}


@pytest.mark.parametrize(
    ("name", "reference", "label", "metrics", "gains"),
    [
        ("mask_rcnn_epsilon", "cross_entropy", "cross-entropy", METRICS, MASK_RCNN_GAINS),
        ("retinanet_epsilon", "focal_g2", "focal loss", METRICS[:2], {}),
        ("pointpillars_epsilon", "focal_g2", "focal loss", LIDAR_METRICS, LIDAR_GAINS),
        ("range_segmentation", "focal_g2", "focal loss", SEGMENTATION_METRICS, {}),
    ],
)
def test_recall_and_precision_have_panels_with_differences_to_what_they_name(
    results, name, reference, label, metrics, gains
):
    panels = figure_of(name, results).axes
    for axes, metric in zip(panels, metrics, strict=True):
        rows = rows_of(results, name, metric)
        poly = rows.drop(index=reference)
        epsilons = poly["epsilon"].astype(float)
        columns = ["difference", "difference_low", "difference_high"]
        expected = np.column_stack([epsilons, poly[columns]])[np.argsort(epsilons)]
        np.testing.assert_allclose(line(axes, "Poly-1"), expected[:, :2])
        np.testing.assert_allclose(intervals(axes), expected[:, [0, 2, 3]])
        assert line(axes, label).tolist() == [[0, 0]]
        title = axes.get_title(loc="left")
        assert METRIC_LABELS[metric] in title
        assert title.endswith(f"{label}: {rows.loc[reference, 'mean']:.1f} %")
    assert label in panels[0].get_ylabel()
    chosen = ["chosen on validation images"] if STUDIES[name].selections else []
    marks = ["published gain (verified)"] if gains else []
    seeds = ["seed ($n$ = 3)"]
    assert legend_labels(name, results) == ["Poly-1", label, *chosen, *marks, *seeds]
    for axes, metric in zip(panels, metrics, strict=True):
        drawn = [entry.get_xydata() for entry in axes.lines if entry.get_label() in marks]
        np.testing.assert_allclose(np.reshape(drawn, (-1, 2)), gains.get(metric, np.empty((0, 2))))


def test_histograms_are_shares_of_the_last_epoch_with_means_over_seeds(results):
    for axes, mean in zip(figure_of("mask_rcnn_pt", results).axes, (0.35, 0.9), strict=True):
        steps = line(axes, "$\\epsilon_1 = \N{MINUS SIGN}0.5$")
        np.testing.assert_allclose(steps[1:4], [(0.25, 0.2), (0.5, 0.3), (0.75, 0.5)])
        assert np.isnan(steps[0, 1]), "an empty bin has no place on a logarithmic axis"
        ticks = [entry.get_xdata()[0] for entry in axes.lines if entry.get_marker() == "|"]
        assert ticks == pytest.approx([mean] * 5)
    assert legend_labels("retinanet_pt", results)[2] == "focal loss"


def test_a_run_without_its_course_is_named(results, tmp_path):
    for name in ("metrics.csv", "statistics.csv"):
        (tmp_path / name).write_bytes((results / name).read_bytes())
    run = "retinanet_composites/poly1_e-1_g2/seed0"
    with pytest.raises(FigureError, match=r"cannot be read.*polyrepro train --results") as error:
        draw("retinanet_pt", tmp_path)
    assert str(target_probability_path(tmp_path, run)) in str(error.value)
    assert run in str(error.value).split()


def test_detections_are_marked_right_or_wrong_once_per_object(results):
    figure = figure_of("mask_rcnn_detections", results)
    rows = [figure.axes[start : start + IMAGES] for start in range(0, 3 * IMAGES, IMAGES)]
    assert [row[0].get_ylabel() for row in rows][:2] == ["objects", "cross-entropy, seed 0"]
    assert rows[2][0].get_ylabel().startswith("Poly-1")
    assert {text.get_fontsize() for axes in figure.axes for text in axes.texts} == {6}
    for axes in figure.axes:
        with in_style():
            labels = [text.get_window_extent() for text in axes.texts]
            image = axes.get_window_extent().padded(0.01)
        assert all(image.containsx(x) for box in labels for x in (box.x0, box.x1))
        assert all(image.containsy(y) for box in labels for y in (box.y0, box.y1))
        assert not any(one.overlaps(other) for one, other in combinations(labels, 2))

    def looks(axes):
        return [to_hex(patch.get_edgecolor()).upper() for patch in axes.patches]

    for objects, *found in zip(*rows, strict=True):
        assert set(looks(objects)) == {style.CROSS_ENTROPY}
        for axes in found:
            assert set(looks(axes)) <= {style.POLY, style.POLY_NEGATIVE}
            assert looks(axes).count(style.POLY) <= len(objects.patches)
    shown = [colour for axes in rows[1] for colour in looks(axes)]
    # One object was called something else, another one found twice; a score of 0.1 is not shown.
    assert 1 <= shown.count(style.POLY_NEGATIVE) <= 2
    assert len(shown) <= sum(len(axes.patches) for axes in rows[0]) + 1


def test_boxes_from_above_are_marked_right_or_wrong(results):
    figure = figure_of("pointpillars_detections", results)
    rows = [figure.axes[start : start + SCENES] for start in range(0, 3 * SCENES, SCENES)]
    assert rows[0][0].get_ylabel() == "objects"
    assert rows[1][0].get_ylabel().startswith("focal")
    for objects, *found in zip(*rows, strict=True):
        (drawn,) = objects.collections[1:]
        count = len(drawn.get_paths()) // 2  # a box, and a line that points ahead
        assert count >= LEAST_OBJECTS_3D
        for axes in found:
            (boxes,) = axes.collections[1:]
            colours = [to_hex(colour).upper() for colour in boxes.get_colors()][: count + 1]
            # Wrong ones are dashed, so that grey paper shows them, too.
            dashed = [dashes is not None for _, dashes in boxes.get_linestyles()][: count + 1]
            assert dashed == [colour == LOOKS[WRONG] for colour in colours]
            # Every object is found, the first one twice; a score of 0.1 is not shown.
            assert len(boxes.get_paths()) == 2 * (count + 1)
            assert colours.count(LOOKS[WRONG]) == 1
            assert colours.count(LOOKS[RIGHT]) == count


def test_a_detector_of_point_clouds_without_predictions_is_named(results, tmp_path):
    for name in ("metrics.csv", "statistics.csv"):
        (tmp_path / name).write_bytes((results / name).read_bytes())
    (tmp_path / "data").symlink_to(results / "data")
    with pytest.raises(FigureError, match=r"predictions_test\.lidar\.json cannot be read .*train"):
        draw("pointpillars_detections", tmp_path)


def test_a_range_image_its_labels_and_what_two_losses_make_of_it(results):
    figure = figure_of("range_images", results)
    ranges, labels, *probabilities = (
        axes.get_images()[0].get_array().filled(np.nan) for axes in figure.axes[:4]
    )
    sweep = range_images(open_lidar(results / "data/lidar_scenes"), "test")
    returned = sweep.labels[0] >= 0
    for shown in (ranges, labels, *probabilities):
        assert shown.shape == (BEAMS, COLUMNS)
        assert (np.isfinite(shown) == returned).all()
    np.testing.assert_allclose(ranges[returned], 45 * sweep.images[0, 0][returned], rtol=1e-6)
    np.testing.assert_array_equal(labels[returned], sweep.labels[0][returned])
    rows = np.nonzero(returned)[0]
    for shown in probabilities:  # made up: they rise from beam to beam
        np.testing.assert_allclose(shown[returned], rows / (BEAMS - 1), atol=1 / 255)
    colours = [to_hex(handle.get_facecolor()).upper() for handle in figure.legends[0].get_patches()]
    assert colours == ["#DDDDDD", style.POLY, style.POLY_NEGATIVE]
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[2].startswith("focal") and "0.4" in titles[3] and titles[3].endswith("seed 0")


def test_a_segmentation_without_predictions_is_named(results, tmp_path):
    for name in ("metrics.csv", "statistics.csv"):
        (tmp_path / name).write_bytes((results / name).read_bytes())
    (tmp_path / "data").symlink_to(results / "data")
    with pytest.raises(FigureError, match=r"predictions\.npz cannot be read .*train the run again"):
        draw("range_images", tmp_path)
