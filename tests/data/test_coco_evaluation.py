"""The evaluation, and its trial before a training."""

import json

import pytest
from coco_files import content

from polyrepro.data import DataError
from polyrepro.data.coco_evaluation import coco_metrics, require_evaluation

SQUARE = [[2, 4, 8, 4, 8, 12, 2, 12]]


def evaluated(tmp_path, truth, predictions, kind="bbox"):
    for name, value in (("truth", truth), ("found", predictions)):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    return coco_metrics(tmp_path / "truth.json", tmp_path / "found.json", kind)


def test_nothing_found_is_zero_where_there_is_something_to_find(tmp_path):
    metrics = evaluated(tmp_path, content(), [])
    assert set(metrics.values()) == {0.0}
    assert {"box_ap", "box_ar100", "box_ap_small"} <= metrics.keys()
    assert not {"box_ap_medium", "box_ap_large"} & metrics.keys(), "all objects are small"


@pytest.mark.parametrize("predictions", [[], "one"])
def test_without_objects_precision_is_not_defined(tmp_path, predictions):
    truth = content()
    for entry in truth["annotations"]:
        entry["iscrowd"] = 1
    one = {"image_id": 0, "category_id": 3, "bbox": [1, 1, 5, 5], "score": 1.0}
    with pytest.raises(DataError, match=r"truth\.json has no object that could be found"):
        evaluated(tmp_path, truth, predictions and [one])


def with_masks(segmentation=SQUARE):
    truth = content()
    for entry in truth["annotations"]:
        entry["segmentation"] = segmentation
    return truth


@pytest.mark.parametrize(
    ("truth", "masks", "message"),
    [
        (with_masks([[]]), True, r"test\.json cannot be evaluated \(segm\): .*; training has not"),
        (content(), True, r"test\.json cannot be evaluated \(segm\): KeyError: 'segmentation'"),
        (with_masks([[2, 4, 8, 4, 2, 4]]), True, r"\(segm\): its objects, taken for predictions"),
        (content() | {"images": []}, False, r"\(bbox\): AssertionError: Results do not corresp"),
    ],
)
def test_what_would_stop_the_evaluation_stops_before_the_training(tmp_path, truth, masks, message):
    with pytest.raises(DataError, match=message):
        require_evaluation(truth, masks, tmp_path / "test.json")


def test_sound_objects_pass_the_trial_and_stay_what_they_are(tmp_path):
    truth = with_masks()
    require_evaluation(truth, True, tmp_path / "test.json")
    assert truth == with_masks()
