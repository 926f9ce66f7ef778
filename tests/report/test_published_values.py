"""The published numbers in the report, today's and one that somebody reads in the PDF."""

import pytest

from polyrepro.analysis.not_run import NO_STUDY, rows_not_run
from polyrepro.analysis.published import FOLDER, published_statements
from polyrepro.report.published_values import gains_and_noise, published_rows, verified_counts

PAPER = '"Leng et al. 2022, arXiv 2204.12511"'
THIRD = f"resnet50_n3,classification,ImageNet-1K,ResNet-50,top-1,verified,Poly-3,,unknown,76.9,%,\
verified,Table 9,{PAPER},\n"
DETECTOR = f"""\
retinanet_focal,object detection,COCO,RetinaNet,box AP,verified,focal,,,37.1,%,verified,\
Table 10,{PAPER},
retinanet_poly1,object detection,COCO,RetinaNet,box AP,verified,Poly-1,1,verified,37.5,%,verified,\
Table 10,{PAPER},
"""
CLAIM = f'retinanet_table_10,claim,"RetinaNet: box AP rises from 37.1 to 37.5",retinanet_focal,\
retinanet_poly1,verified,Table 10,{PAPER},\n'


@pytest.fixture
def record(tmp_path):
    for path in FOLDER.glob("*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def add(path, rows):
    path.write_text(path.read_text() + rows)


def test_table_1_is_counted_and_its_gains_in_accuracy_are_quoted():
    assert verified_counts() == {"all": 8, "lidar": 4}
    assert gains_and_noise() == {"gains": "0.4 and 0.6", "noise": "0.15 to 0.25"}


def test_a_number_that_was_read_is_one_row_more(record):
    add(record / "numbers.csv", THIRD)
    (row,) = [row for row in published_rows(record) if row["loss"] == "Poly-3"]
    assert (row["baseline"], row["value"], row["gain"]) == ("76.3", "76.9", "+0.6")
    assert row["status"] == "unverified", "the baseline is"
    assert len(published_rows(record)) == len(published_rows()) + 1
    assert verified_counts(record) == verified_counts()
    assert gains_and_noise(record) == gains_and_noise()


def test_a_pair_that_was_read_is_listed_with_its_claim_and_is_not_of_table_1(record):
    add(record / "numbers.csv", DETECTOR)
    add(record / "statements.csv", CLAIM)
    (row,) = [row for row in published_rows(record) if row["model"] == "RetinaNet"]
    assert (row["gain"], row["status"], row["epsilon"]) == ("+0.4", "verified", "1")
    assert verified_counts(record) == verified_counts()
    listed = rows_not_run(set(), "embedded", published_statements(record))
    (claim,) = [row for row in listed if row["claim"] == "retinanet_table_10"]
    assert claim["note"] == NO_STUDY and claim["published_gain"] == 0.4
