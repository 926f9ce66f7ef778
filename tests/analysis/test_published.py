"""The published record against the numbers of the paper's Table 1 and the re-run."""

import pandas as pd
import pytest

from polyrepro.analysis.published import (
    FOLDER,
    STATUSES,
    PublishedRecordError,
    published_facts,
    published_numbers,
    published_statements,
)

TABLE_1 = {
    "imagenet21k": (45.8, 46.4),
    "imagenet1k": (86.8, 87.2),
    "coco_box_ar": (47.2, 49.7),
    "coco_mask_ar": (42.3, 44.4),
    "pointpillars_vehicle": (63.3, 63.7),
    "pointpillars_pedestrian": (68.9, 69.6),
    "rsn_vehicle": (78.4, 78.9),
    "rsn_pedestrian": (79.4, 80.2),
}
RERUN = {
    "rerun_box_ap": (42.8, 42.8),
    "rerun_mask_ap": (39.4, 39.4),
    "rerun_box_ar": (55.5, 57.4),
    "rerun_mask_ar": (51.6, 53.5),
}


def test_verified_are_exactly_the_numbers_of_table_1():
    numbers = published_numbers()
    verified = numbers[numbers["status"] == "verified"]
    found = {
        name: (
            verified.filter(regex=f"^{name}_(ce|focal)$", axis="index")["value"].iloc[0],
            verified.loc[f"{name}_poly1", "value"],
        )
        for name in TABLE_1
    }
    assert found == TABLE_1 and len(verified) == 2 * len(TABLE_1)
    assert verified["place"].str.startswith("Table 1").all()


def test_the_rerun_is_there_and_is_not_verified():
    numbers = published_numbers()
    for name, pair in RERUN.items():
        rows = numbers.loc[[f"{name}_ce", f"{name}_poly1"]]
        assert tuple(rows["value"]) == pair and set(rows["status"]) == {"re-run"}


def test_an_inferred_metric_says_so_beside_the_number():
    numbers = published_numbers()
    inferred = numbers["metric_status"] == "inferred"
    assert (numbers["metric"].str.contains("inferred") == inferred).all()
    assert inferred.sum() == 14


def test_often_quoted_numbers_are_unverified():
    quoted = published_numbers().loc[["resnet50_ce", "resnet50_poly_n1", "resnet50_poly_n2"]]
    assert quoted["value"].tolist() == [76.3, 76.7, 76.8]
    assert set(quoted["status"]) == {"unverified"}


def test_the_misattribution_has_its_numbers():
    facts = published_facts()
    assert "87.2 vs 86.8" in facts.loc["misattributed_coco", "value"]
    assert "49.7 vs 47.2" in facts.loc["misattributed_waymo", "value"]
    assert "COCO with Mask R-CNN" in facts.loc["misattributed_waymo", "note"]


def test_noise_and_recipes_are_recorded():
    facts = published_facts()
    assert facts.loc["noise_imagenet", "value"] == "0.15 to 0.25"
    assert facts.loc["missed_efficientnetv2", "value"] == "0.45 to 0.74"
    assert facts.loc["recipe_mask_rcnn_learning_rate", "value"] == "0.08"
    assert set(facts.loc[facts.index.str.startswith("recipe_"), "status"]) == {"inferred"}


def test_the_readme_explains_every_status():
    readme = (FOLDER / "README.md").read_text()
    assert all(f"| {status} |" in readme for status in STATUSES)


@pytest.fixture
def copy(tmp_path):
    for name in ("numbers.csv", "statements.csv", "facts.csv"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    return tmp_path


def damage(path, row, column, value):
    table = pd.read_csv(path, dtype=str, keep_default_na=False).set_index("id")
    table.loc[row, column] = value
    table.to_csv(path)


@pytest.mark.parametrize("column", ["status", "place", "source"])
def test_a_row_without_status_place_or_source_is_refused(copy, column):
    damage(copy / "numbers.csv", "rsn_vehicle_focal", column, "")
    with pytest.raises(PublishedRecordError) as refusal:
        published_numbers(copy)
    text = str(refusal.value)
    assert "numbers.csv, row rsn_vehicle_focal" in text and f"column {column} is empty" in text


def test_an_unknown_status_and_an_unknown_number_are_refused(copy):
    damage(copy / "facts.csv", "noise_coco", "status", "sure")
    with pytest.raises(PublishedRecordError, match="noise_coco, column status: 'sure' is none of"):
        published_facts(copy)
    damage(copy / "statements.csv", "imagenet1k_gain", "improved", "imagenet1k_poly2")
    with pytest.raises(PublishedRecordError, match=r"'imagenet1k_poly2' is no id of numbers\.csv"):
        published_statements(copy)


def test_an_id_that_is_there_twice_is_refused(copy):
    path = copy / "statements.csv"
    row = next(line for line in path.read_text().splitlines() if line.startswith("imagenet1k_gain"))
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(PublishedRecordError, match="row imagenet1k_gain, column id: the id is"):
        published_statements(copy)
