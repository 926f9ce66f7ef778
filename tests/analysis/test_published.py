"""The published record, number by number."""

import re

import pandas as pd
import pytest

from polyrepro.analysis.published import (
    FOLDER,
    STATUSES,
    PublishedRecordError,
    published_facts,
    published_numbers,
    published_statements,
    statement_of,
)
from polyrepro.studies.long_tail import STUDY

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
FACTS = {
    "terms_needed": ("more than 600", "secondary"),
    "truncation_learning_rate": ("0.1", "secondary"),
    "poly_n_orders": ("1, 2, 3", "secondary"),
    "epsilon_imagenet": ("2", "secondary"),
    "epsilon_coco": ("-1", "secondary"),
    "epsilon_rsn": ("-0.4", "secondary"),
    "epsilon_pointpillars": ("", "unknown"),
    "epsilon_search_values": ("4 to 5", "secondary"),
    "epsilon_search_bound": ("-1", "secondary"),
    "leading_share_majority": ("more than 1/2", "secondary"),
    "noise_imagenet": ("0.15 to 0.25", "inferred"),
    "noise_coco": ("0.2 to 0.3", "inferred"),
    "missed_efficientnetv2": ("0.45 to 0.74", "re-run"),
    "misattributed_coco": ("+0.4 (87.2 vs 86.8)", "secondary"),
    "misattributed_waymo": ("+2.5 (49.7 vs 47.2)", "secondary"),
}
"""Facts that are no settings of recipes."""

RECIPES = {
    "resnet50": {
        **{"batch": "1024", "epochs": "90", "momentum": "0.9", "weight_decay": "1e-4"},
        **{"learning_rate": "0.1", "warmup": "5", "steps": "30, 60, 80", "image_size": "224"},
        "label_smoothing": "none",
    },
    "pretraining": {
        **{"batch": "4096", "epochs": "60", "schedule": "cosine", "learning_rate": "0.008"},
        **{"warmup": "1", "optimizer": "RMSProp", "ema": "0.9999", "weight_decay": "1e-5"},
        **{"image_size": "224", "mixup": "none", "classes": "21843"},
        "targets": "normalised to sum 1",
    },
    "finetuning": {
        **{"batch": "512", "epochs": "15", "optimizer": "RMSProp", "learning_rate": "5e-4"},
        **{"ema": "0.9996", "label_smoothing": "0.1", "image_size": "480"},
    },
    "mask_rcnn": {
        **{"image_size": "1024", "batch": "64", "momentum": "0.9", "learning_rate": "0.08"},
        **{"steps": "22500", "milestones": "15000, 20000", "loss": "box head only"},
    },
    "retinanet": {"image_size": "640", "alpha": "0.25", "gamma": "1.5"},
    "pointpillars": {"alpha": "0.25", "gamma": "2.0"},
}
"""Settings of the code bases that the paper used; that they are the paper's is inferred."""

COEFFICIENTS = {
    **{"imagenet21k_poly1": 2, "imagenet1k_poly1": 2, "coco_box_ar_poly1": -1},
    **{"coco_mask_ar_poly1": -1, "rsn_vehicle_poly1": -0.4, "rsn_pedestrian_poly1": -0.4},
}
"""What is known of the coefficients in Table 1, all from secondary sources."""


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


def test_coefficients_are_secondary_or_unknown():
    numbers = published_numbers()
    verified = numbers[(numbers["status"] == "verified") & numbers["loss"].str.contains("Poly")]
    known = verified[verified["epsilon_status"] == "secondary"]["epsilon"]
    assert known.to_dict() == COEFFICIENTS
    others = verified.drop(index=list(COEFFICIENTS))
    assert set(others["epsilon_status"]) == {"unknown"} and others["epsilon"].isna().all()


def test_facts_are_recorded_with_their_status():
    facts = published_facts().fillna({"value": ""})
    for name, expected in FACTS.items():
        assert tuple(facts.loc[name, ["value", "status"]]) == expected, name
    assert not (facts["status"] == "verified").any(), "Table 1 holds results alone"


def test_settings_of_recipes_are_recorded_as_inferred():
    facts = published_facts()
    expected = {
        f"recipe_{recipe}_{name}": value
        for recipe, settings in RECIPES.items()
        for name, value in settings.items()
    }
    recipes = facts[facts.index.str.startswith("recipe_")]
    assert recipes["value"].to_dict() == expected
    assert set(recipes["status"]) == {"inferred"}
    assert facts.loc["recipe_retinanet_gamma", "note"] == "2.0 in MMDetection"


def test_the_misattribution_says_what_table_1_has():
    facts = published_facts()
    coco, waymo = (facts.loc[f"misattributed_{name}", "note"] for name in ("coco", "waymo"))
    assert "wrong" in coco and "86.8 and 87.2 for ImageNet-1K" in coco
    assert "wrong" in waymo and "47.2 and 49.7 for COCO with Mask R-CNN" in waymo


def test_statements_quote_the_numbers_that_they_name():
    numbers, statements = published_numbers(), published_statements()
    of_numbers = statements.dropna(subset="baseline")
    assert len(of_numbers) == len(TABLE_1) + 1  # the re-run of others
    for name, row in of_numbers.iterrows():
        pair = numbers.loc[[row["baseline"], row["improved"]]]
        quoted = re.findall(r"\d\d\.\d", row["statement"])
        assert {f"{value:.1f}" for value in pair["value"]} <= set(quoted), name
        assert set(pair["status"]) == {row["status"]}, name
        inferred = set(pair["metric_status"]) == {"inferred"}
        assert ("inferred" in row["statement"]) == inferred, name


def test_a_statement_without_numbers_of_table_1_is_not_verified():
    statements = published_statements()
    without = statements[statements["baseline"].isna()]
    assert set(without["status"]) <= {"secondary", "unknown"}
    assert statements["gain"].notna().equals(statements["baseline"].notna())


def test_every_speed_has_a_status_and_a_source():
    speeds = pd.read_csv(FOLDER / "throughputs.csv")
    assert set(speeds["status"]) == {"given"} and speeds["source"].notna().all()


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


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("value", "46,4", "row imagenet21k_poly1, column value: '46,4' is no finite number"),
        ("value", "", "row imagenet21k_poly1, column value: 'nan' is no finite number"),
        ("metric_status", "read", "column metric_status: 'read' is none of verified, secondary"),
        ("epsilon_status", "?", "column epsilon_status: '?' is none of verified, secondary"),
        ("status", "secondary", "row imagenet21k_gain, column status: verified, but the number"),
    ],
)
def test_a_damaged_number_is_refused(copy, column, value, message):
    damage(copy / "numbers.csv", "imagenet21k_poly1", column, value)
    with pytest.raises(PublishedRecordError, match=re.escape(message)):
        published_statements(copy)


def test_an_id_that_is_there_twice_is_refused(copy):
    path = copy / "statements.csv"
    row = next(line for line in path.read_text().splitlines() if line.startswith("imagenet1k_gain"))
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(PublishedRecordError, match="row imagenet1k_gain, column id: the id is"):
        published_statements(copy)


def test_a_claim_whose_statement_is_gone_names_it():
    claim, *_ = STUDY.claims
    statements = published_statements()
    assert statement_of(claim, statements)["status"] == "verified"
    wanted = f"column id: there is no row {claim.published!r}, from which the claim {claim.name} c"
    with pytest.raises(PublishedRecordError, match=wanted):
        statement_of(claim, statements.drop(index=claim.published))
