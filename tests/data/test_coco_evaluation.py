"""The evaluation, and its trial before a training."""

import json

import numpy as np
import pytest
from coco_files import content
from pycocotools import mask as coco_mask

from polyrepro.analysis.detections import average_precision_and_recall
from polyrepro.data import DataError
from polyrepro.data.coco.coco_evaluation import evaluate_coco, require_evaluation

SQUARE = [[2, 4, 8, 4, 8, 12, 2, 12]]


def evaluated(tmp_path, truth, predictions, kind="bbox"):
    for name, value in (("truth", truth), ("found", predictions)):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    return evaluate_coco(tmp_path / "truth.json", tmp_path / "found.json", kind)[0]


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


def test_sizes_of_masks_are_those_of_their_pixels(tmp_path):
    """MMDetection writes boxes beside masks; a thin diagonal has a large box and few pixels."""
    truth = content(images=2)
    truth["images"] = [{"id": 0, "file_name": "0.png", "width": 200, "height": 200}]
    diagonal = [[0, 0, 4, 0, 200, 196, 200, 200]]
    del truth["annotations"][1]
    truth["annotations"][0] |= {"bbox": [0, 0, 200, 200], "area": 800, "segmentation": diagonal}
    mask = coco_mask.merge(coco_mask.frPyObjects(diagonal, 200, 200))
    assert 0 < coco_mask.area(mask) < 32**2
    one = {"image_id": 0, "category_id": 3, "bbox": [0, 0, 200, 200], "score": 1.0}
    missed = coco_mask.encode(np.asfortranarray(np.eye(200, k=150, dtype=np.uint8)))
    found = [
        {
            **one,
            "score": score,
            "segmentation": {"size": [200, 200], "counts": m["counts"].decode()},
        }
        for score, m in ((0.9, missed), (0.5, mask))
    ]
    metrics = evaluated(tmp_path, truth, found, "segm")
    assert metrics["mask_ap_small"] == metrics["mask_ap"] == pytest.approx(50, abs=1)


def random_scenes(random, images=12, classes=3):
    """Objects, some of them crowds, and boxes near them."""
    scenes = {"images": [], "annotations": []}
    scenes["categories"] = [{"id": k, "name": str(k)} for k in range(1, classes + 1)]
    found = []
    for image in range(images):
        size = {"width": 100, "height": 100, "file_name": f"{image}.png"}
        scenes["images"].append({"id": image + 5} | size)
        for _ in range(random.integers(1, 6)):
            box = [*random.uniform(0, 60, 2), *random.uniform(10, 40, 2)]
            where = {"image_id": image + 5, "category_id": int(random.integers(1, classes + 1))}
            more = {"id": len(scenes["annotations"]) + 1, "area": box[2] * box[3]}
            crowd = {"iscrowd": int(random.random() < 0.1)}
            scenes["annotations"].append(where | more | crowd | {"bbox": list(map(float, box))})
            for _ in range(random.integers(0, 3)):
                near = [float(v) for v in np.maximum(box + random.normal(0, 3, 4), 1)]
                found.append(where | {"bbox": near, "score": float(random.random())})
    return scenes, found


def repeated(scenes, found, counts):
    """Each image as often as it counts; copies lie beside each other."""
    truth, predictions = scenes | {"images": [], "annotations": []}, []
    for image, count in zip(scenes["images"], counts, strict=True):
        for copy in range(count):
            new = {"image_id": 100 * image["id"] + copy}
            truth["images"].append(image | {"id": new["image_id"]})
            for entry in scenes["annotations"]:
                if entry["image_id"] == image["id"]:
                    number = {"id": len(truth["annotations"]) + 1}
                    truth["annotations"].append(entry | new | number)
            predictions += [entry | new for entry in found if entry["image_id"] == image["id"]]
    return truth, predictions


def test_what_is_kept_of_an_evaluation_gives_its_numbers_for_any_images(tmp_path):
    """Images that count twice, and images that do not count, against pycocotools itself."""
    random = np.random.default_rng(0)
    scenes, found = random_scenes(random)
    for name, value in (("truth", scenes), ("found", found)):
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    _, matches = evaluate_coco(tmp_path / "truth.json", tmp_path / "found.json", "bbox")
    matches = {name.removeprefix("box_"): values for name, values in matches.items()}
    assert len(matches["image"]) == len(found) and matches["objects"].shape == (12, 3)
    counts = np.stack([np.ones(12, int), *random.multinomial(12, np.full(12, 1 / 12), size=4)])
    computed = average_precision_and_recall(matches, counts)
    for ap, ar, of_sample in zip(*computed, counts, strict=True):
        metrics = evaluated(tmp_path, *repeated(scenes, found, of_sample))
        assert ap == pytest.approx(metrics["box_ap"])
        assert ar == pytest.approx(metrics["box_ar100"])


def test_images_without_an_object_leave_nothing_to_compute(tmp_path):
    truth = content()
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "found.json").write_text("[]")
    _, matches = evaluate_coco(tmp_path / "truth.json", tmp_path / "found.json", "bbox")
    matches = {name.removeprefix("box_"): values for name, values in matches.items()}
    none = np.zeros((1, len(truth["images"])), int)
    assert np.isnan(average_precision_and_recall(matches, none)).all()
    ap, ar = average_precision_and_recall(matches, none + 1)
    assert ap == ar == 0
