"""Tables that the package has written itself, damaged since: refused with file, row and column."""

import shutil

import pandas as pd
import pytest

from polyrepro.analysis.claims_table import read_claims
from polyrepro.analysis.metrics_checks import MetricsError
from polyrepro.analysis.reference_folders import COMMITTED
from polyrepro.analysis.statistics import read_statistics
from polyrepro.report.claim_values import SIMULATED, simulation_values

TABLES = COMMITTED / "embedded"
READERS = {"claims.csv": read_claims, "statistics.csv": read_statistics}


def damaged(name, folder, damage):
    table = pd.read_csv(TABLES / name, dtype=str, keep_default_na=False)
    damage(table).to_csv(folder / name, index=False)
    (folder / "metrics.csv").touch()
    return folder / name


def cell(row, column, value):
    """Damage to one cell, whose row is counted as in the file."""

    def damage(table):
        table.loc[row - 2, column] = value
        return table

    return damage


def outcomes(row, outcome):
    """The same outcome for a claim of one contrast and for that contrast."""
    return cell(row, ["outcome", "contrast_outcome"], outcome)


@pytest.mark.parametrize("name", READERS)
def test_a_sound_table_is_read_with_its_types(name, tmp_path):
    shutil.copyfile(TABLES / name, tmp_path / name)
    table = READERS[name](tmp_path / name)
    assert table["n"].dtype == int and table["low"].dtype == float
    assert len(table) == len(pd.read_csv(TABLES / name))


CLAIMS = [
    (cell(3, "measured", "-47,4"), "row 3, column measured: '-47,4' is no number"),
    (cell(3, "measured", "47.4"), "row 3, column high: "),
    (cell(3, "measured", ""), "row 3, column measured: nan does not go with the number of seeds"),
    (cell(3, "low", "5"), "row 3, column low: 5 does not lie around the value in the column m"),
    (cell(3, "decisive_high", "-99"), "row 3, column decisive_high: -99 does not lie around"),
    (cell(3, "n", "2.5"), "row 3, column n: '2.5' is no whole number of at least 0"),
    (cell(3, "n", "-1"), "row 3, column n: '-1' is no whole number"),
    (cell(3, "n", "0"), "row 3, column measured: "),
    (cell(3, "outcome", "Reproduced"), "row 3, column outcome: 'Reproduced' is none of: reprod"),
    (cell(3, "outcome", "reproduced"), "column outcome: 'reproduced' beside 'direction only' of"),
    (cell(3, "contrast_outcome", ""), "row 3, column contrast_outcome: '' is none of"),
    (cell(3, "scale", "paper"), "row 3, column scale: 'paper' beside 'embedded'"),
    (cell(3, "study", "trunc"), "row 3, column claim: 'few_terms_lose' is no claim of the"),
    (cell(3, "claim", "few"), "row 3, column claim: 'few' is no claim of the study in"),
    (lambda t: t.drop(index=1), "column contrast: the claim 'few_terms_lose' has 1 rows where"),
    (lambda t: t.drop(columns="p_holm"), "row 1: there is no column 'p_holm'; another version"),
    (lambda t: t[:0], "has no rows; make the table again from metrics.csv"),
    (cell(3, "p_holm", "2"), "row 3, column p_holm: 2 is no probability"),
    (cell(3, "published_status", "read"), "row 3, column published_status: 'read' is none of: , v"),
    (cell(3, "planned", "3"), "row 3, column planned: 3 is not the number of seeds that the study"),
    (cell(4, "margin", "30"), "row 4, column margin: 30 is not the study's margin"),
    (cell(4, "margin", ""), "row 4, column margin: nan is not the study's margin"),
    (cell(3, "collapsed", "77"), "row 3, column collapsed: 77 is more than the number of runs"),
    (cell(3, "seeds_for_measured", "-4"), "row 3, column seeds_for_measured: -4 seeds are too few"),
    (cell(3, "statement", "All is well"), "row 3, column statement: 'All is well' is not the stud"),
    (cell(3, "quantity", "top-5"), "row 3, column quantity: 'top-5' is not the study's, \"top-1 "),
    (cell(3, "expected", "above 0"), "row 3, column expected: 'above 0' is not what the study exp"),
    (cell(9, "high", ""), "row 9, column high: nan where the column low has the other end"),
    (cell(9, "images_low", ""), "row 9, column images_low: nan where the column images_high has"),
    (cell(9, "images_high", "9"), "images_high do not lie around the value in the column measured"),
    (
        outcomes(9, "direction only"),
        "row 9, column contrast_outcome: 'direction only' does not fol",
    ),
    (
        outcomes(9, "not reproduced"),
        "row 9, column contrast_outcome: 'not reproduced' does not fol",
    ),
    (
        outcomes(8, "reproduced"),
        "row 8, column contrast_outcome: 'reproduced' does not follow from",
    ),
    (outcomes(23, "equivalent within a margin"), "'equivalent within a margin' does not follow"),
    (outcomes(19, "published gain excluded"), "'published gain excluded' does not follow from the"),
    (cell(8, "outcome", "not reproduced"), "'not reproduced' is not the outcome in the column con"),
    (cell(3, "contrast", "top5 (test): x"), "row 3, column contrast: 'top5 (test): x' is not what"),
]


@pytest.mark.parametrize(("damage", "message"), CLAIMS)
def test_a_damaged_table_of_claims_is_refused(tmp_path, damage, message):
    path = damaged("claims.csv", tmp_path, damage)
    with pytest.raises(MetricsError) as refusal:
        read_claims(path)
    text = str(refusal.value)
    assert text.startswith(str(path)) and message in text
    command = f"polyrepro claims {tmp_path}/metrics.csv --output {path}"
    assert text.endswith(f"; make the table again from metrics.csv: {command}")


STATISTICS = [
    (cell(4, "mean", "x"), "row 4, column mean: 'x' is no number"),
    (cell(4, "n", ""), "row 4, column n: '' is no whole number"),
    (cell(4, "study", "Truncation"), "row 4, column study: 'Truncation' is none of: truncation"),
    (lambda t: pd.concat([t, t[:1]]), "column variant: 'cross_entropy' has this metric twice in"),
    (lambda t: t.drop(columns="selected"), "row 1: there is no column 'selected'"),
    (cell(4, "mean", "999"), "column high: "),
    (cell(4, "difference", "999"), "column difference_high: "),
    (cell(4, "sd", "-1"), "row 4, column sd: -1 is no standard deviation"),
    (cell(4, "p_value", "1.5"), "row 4, column p_value: 1.5 is no probability"),
    (cell(4, "variant", "poly9"), "row 4, column variant: 'poly9' is none of: cross_entropy, tru"),
    (cell(4, "split", "tset"), "row 4, column split: 'tset' is none of: train, validation, test"),
    (cell(4, "scale", "paper"), "row 4, column scale: 'paper' beside 'embedded': one table holds"),
    (cell(4, "selected", "mine"), "row 4, column selected: 'mine' names no selection of the study"),
    (cell(4, "collapsed", "99"), "row 4, column collapsed: 99 is more than the number of runs"),
    (cell(4, "n", "0"), "row 4, column n: 0 seeds have no mean"),
    (cell(27, "metric", "topl"), "row 27, column metric: 'topl' where its variant has no 'top1'"),
    (
        lambda t: t.assign(metric=t["metric"].str.replace("top1", "accuracy")),
        "is no metric of the study's, and its own is nowhere: 'top1'",
    ),
]


@pytest.mark.parametrize(("damage", "message"), STATISTICS)
def test_a_damaged_table_of_statistics_is_refused(tmp_path, damage, message):
    path = damaged("statistics.csv", tmp_path, damage)
    with pytest.raises(MetricsError) as refusal:
        read_statistics(path)
    text = str(refusal.value)
    assert text.startswith(str(path)) and message in text
    command = f"polyrepro statistics {tmp_path}/metrics.csv --output {path}"
    assert text.endswith(f"; make the table again from metrics.csv: {command}")


def test_a_rate_that_is_none_is_refused(tmp_path):
    table = pd.read_csv(SIMULATED)
    table.assign(coverage=95.0).to_csv(tmp_path / "verdicts.csv", index=False)
    with pytest.raises(MetricsError, match=r"verdicts\.csv, row 2, column coverage: 95 is no rate"):
        simulation_values(tmp_path / "verdicts.csv")


def test_a_table_that_lies_alone_is_to_be_restored(tmp_path):
    """The committed results have no metrics.csv."""
    path = damaged("statistics.csv", tmp_path, cell(4, "mean", "x"))
    (tmp_path / "metrics.csv").unlink()
    with pytest.raises(MetricsError, match=f"; restore the table: git checkout -- {path}$"):
        read_statistics(path)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(MetricsError, match=r"claims\.csv does not exist; a finished report leaves"):
        read_claims(tmp_path / "claims.csv")
