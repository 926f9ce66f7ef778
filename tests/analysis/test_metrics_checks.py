"""Damaged tables are refused with file, row and column."""

import re

import pandas as pd
import pytest
from tidy_tables import ESSENTIAL, end_of, full_table, written

from polyrepro.analysis.claims import evaluate_claims
from polyrepro.analysis.metrics_checks import MetricsError
from polyrepro.analysis.metrics_table import read_metrics
from polyrepro.cli import main


def test_a_sound_table_is_read_as_it_is(table, tmp_path):
    read = read_metrics(written(table, tmp_path / "metrics.csv"))
    assert read["value"].tolist() == pytest.approx(table["value"].tolist())
    assert read["epsilon"].tolist() == [""] * len(table) and read["terms"].isna().all()
    assert read["seed"].dtype == int


CELLS = [
    ("scale", "paper", "'paper' beside 'embedded' in row 2; one table holds one scale"),
    ("data_sha256", "cd", "'cd' beside 'ab' in row 2 (truncation); the runs of a study differ by"),
    ("model", "resnet50", "'resnet50' beside 'polyrepro_convnet'"),
    ("dataset", "cifar100", "'cifar100' beside 'fashion_mnist'"),
    ("recipe", "other", "'other' beside 'fashion_mnist'"),
    ("epsilon", "2", "one name means one loss"),
    ("gamma", 2.0, "one name means one loss"),
    ("terms", 3, "one name means one loss"),
    ("learning_rate", 0.2, "one name means one loss"),
    ("value", 0.767, "a fraction among percents; multiply it by 100"),
    ("value", "", "'' is not a finite number"),
    ("value", "nan", "'nan' is not a finite number"),
    ("value", "inf", "'inf' is not a finite number"),
    ("value", "76,7", "'76,7' is not a finite number"),
    ("value", 767.0, "outside 0 to 100"),
    ("value", -3.0, "outside 0 to 100"),
    ("epoch", 3, "seed 1 of truncated_n5 in truncation ends at epoch 3, other runs at 2"),
    ("seed", "1.5", "'1.5' is not a whole number, at least 0"),
    ("seed", "-1", "'-1' is not a whole number, at least 0"),
    ("seed", "", "'' is not a whole number, at least 0"),
    ("variant", "truncated_n4", "unknown variant 'truncated_n4'; did you mean 'truncated_n"),
    ("study", "trunkation", "unknown study 'trunkation'; did you mean 'truncation'?"),
    ("split", "val", "unknown split 'val'"),
    ("split", "Test", "unknown split 'Test'; did you mean 'test'?"),
    ("label", "Poly-1", "one name means one loss"),
    ("series", "my_series:Series", "one name means one loss"),
    ("chance", 0.1, "0.1 beside 10.0 in row 2 (truncation)"),
    ("chance", "12,5", "'12,5' is not a finite number"),
    ("gamma", "two", "'two' is not a finite number"),
    ("terms", "5 terms", "'5 terms' is not a whole number"),
    ("learning_rate", "fast", "'fast' is not a finite number"),
    ("epoch", "last", "'last' is not a finite number"),
    ("epoch", -1, "-1 is below 0"),
    ("value", "True", "'True' is not a finite number"),
    ("value", "1e3", "top1 is 1000, outside 0 to 100"),
    ("seed", "1e30", "'1e30' is not a whole number, at least 0 and at most"),
    ("terms", "1.5", "'1.5' is not a whole number, at least 0"),
    ("epsilon", "two", "'two' are no coefficients; give numbers with blanks between them"),
    ("metric", "Top-1", "unknown metric 'Top-1'; did you mean 'top1'?"),
    ("metric", "topl", "has no 'top1' (test, epoch 2); did you mean 'top1'?"),
]


@pytest.mark.parametrize(("column", "value", "message"), CELLS)
def test_a_damaged_cell_is_named(table, tmp_path, column, value, message):
    row = end_of(table, "truncated_n5")
    damaged = table.astype({column: object})
    damaged.loc[row, column] = value
    path = written(damaged, tmp_path / "metrics.csv")
    with pytest.raises(MetricsError) as refusal:
        read_metrics(path)
    text = str(refusal.value)
    assert text.startswith(f"{path}, row {row + 2}, column {column}: ") and message in text


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("chance", 200, "200 is no accuracy of guessing, which is 100 divided by the number of"),
        ("chance", -1, "-1 is no accuracy of guessing"),
        ("scale", "embeded", "unknown scale 'embeded'; did you mean 'embedded'?"),
        (
            "metric",
            "accuracy",
            "'accuracy' is no metric that the study truncation is about; it has",
        ),
        ("scale", "Paper", "unknown scale 'Paper'; did you mean 'paper'?"),
    ],
)
def test_a_damaged_column_is_named_with_its_first_row(table, tmp_path, column, value, message):
    path = written(table.assign(**{column: value}), tmp_path / "metrics.csv")
    with pytest.raises(MetricsError) as refusal:
        read_metrics(path)
    assert f"{path}, row 2, column {column}: {message}" in str(refusal.value)


def test_a_decimal_comma_without_quotes_shifts_no_column(table, tmp_path):
    """Every line has a value more than the header then, and the last one would be lost."""
    path = written(table, tmp_path / "metrics.csv")
    header, *lines = path.read_text().splitlines()
    shifted = [re.sub(r"(\d)\.(\d+),fashion", r"\1,\2,fashion", line) for line in lines]
    assert shifted != lines
    path.write_text("\n".join([header, *shifted]) + "\n")
    with pytest.raises(MetricsError, match="row 2: there are more values than columns in row 1"):
        read_metrics(path)


def test_blank_lines_do_not_count_as_rows_but_as_lines(table, tmp_path):
    path = written(table.assign(seed=table["seed"].astype(str)), tmp_path / "metrics.csv")
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, lines[0], "", *lines[1:], ""]) + "\n")
    assert len(read_metrics(path)) == len(table)
    bad = lines[5].replace("top1,test", "top1,tset").replace("top1,validation", "top1,tset")
    path.write_text("\n".join([header, "", *lines[:5], bad, *lines[6:]]) + "\n")
    with pytest.raises(MetricsError, match="row 8, column split: unknown split 'tset'"):
        read_metrics(path)


def test_a_run_under_another_seed_is_named(table, tmp_path):
    """Its rows were copied, and only the seed was changed: the run's id tells."""
    of_seed = table[(table["variant"] == "truncated_n5") & (table["seed"] == 2)]
    copied = pd.concat([table, of_seed.assign(seed=7)], ignore_index=True)
    path = written(copied, tmp_path / "metrics.csv")
    words = (
        rf"row {len(table) + 2}, column seed: seed 7 of truncated_n5 with the run "
        r"'fashion_mnist/truncated_n5/seed2', beside seed 2 of truncated_n5"
    )
    with pytest.raises(MetricsError, match=words):
        read_metrics(path)


def test_two_runs_of_one_seed_are_named(table, tmp_path):
    row = end_of(table, "truncated_n5")
    damaged = table.copy()
    damaged.loc[row, "run"] = "elsewhere/truncated_n5/seed1"
    with pytest.raises(MetricsError, match=rf"row {row + 2}, column run: seed 1 of truncated_n5"):
        read_metrics(written(damaged, tmp_path / "metrics.csv"))


def test_a_copy_without_the_id_of_its_run_is_named(tmp_path):
    """Every value is that of another seed."""
    whole = full_table("truncation", {}, seeds=3)[ESSENTIAL]
    of_seed = whole[(whole["variant"] == "truncated_n5") & (whole["seed"] == 2)]
    copied = pd.concat([whole, of_seed.assign(seed=7)], ignore_index=True)
    words = rf"row {len(whole) + 2}, column seed: all values of seed 7 of truncated_n5 .* of seed 2"
    with pytest.raises(MetricsError, match=words):
        read_metrics(written(copied, tmp_path / "metrics.csv"))


def test_the_values_of_one_loss_under_the_name_of_another_are_named(tmp_path):
    whole = full_table("truncation", {}, seeds=3)[ESSENTIAL]
    of_other = whole[whole["variant"] == "truncated_n2"].assign(variant="truncated_n5")
    copied = pd.concat([whole[whole["variant"] != "truncated_n5"], of_other], ignore_index=True)
    words = r"column variant: all values of seed 0 of truncated_n5 .* are those of variant truncat"
    with pytest.raises(MetricsError, match=words):
        read_metrics(written(copied, tmp_path / "metrics.csv"))


def test_one_loss_may_have_two_names(tmp_path):
    whole = full_table("epsilon_sweep", {}, seeds=3)
    of_other = whole[whole["variant"] == "poly1_e+2"].assign(variant="poly1_e+1")
    both = pd.concat([whole[whole["variant"] != "poly1_e+1"], of_other], ignore_index=True)
    both["run"] = both["variant"] + "/" + both["seed"].astype(str)
    of_both = both["variant"].isin(["poly1_e+1", "poly1_e+2"])
    both = both.assign(series="polyrepro.losses:Poly", label=both["variant"])
    both["epsilon"] = both["variant"].where(~of_both, "2").map(lambda name: name[-1:])
    both.loc[~of_both, "epsilon"] = ""
    both.loc[both["variant"] == "poly1_e+1", "epsilon"] = "2 0"
    assert len(read_metrics(written(both, tmp_path / "metrics.csv"))) == len(both)


def test_an_error_rate_is_named_where_the_other_split_has_accuracies(table, tmp_path):
    row = end_of(table, "truncated_n5")
    of_run = table[table["run"] == table["run"][row]]
    (beside,) = of_run.index[(of_run["split"] == "validation") & (of_run["epoch"] == 2)]
    damaged = table.copy()
    damaged.loc[row, "value"] = 100 - table["value"][beside]
    words = rf"row {row + 2}, column value: top1 of the test images is .* is an error rate; give ac"
    with pytest.raises(MetricsError, match=words):
        read_metrics(written(damaged, tmp_path / "metrics.csv"))


def test_an_accuracy_below_what_its_probabilities_allow_is_named(table, tmp_path):
    row = end_of(table, "truncated_n5")
    sure = table.loc[[row]].assign(metric="mean_pt", value=0.95)
    path = written(pd.concat([table, sure], ignore_index=True), tmp_path / "metrics.csv")
    words = rf"row {row + 2}, column value: top1 is .* mean P_t of the same images is 0.95: at leas"
    with pytest.raises(MetricsError, match=words):
        read_metrics(path)


def test_a_column_that_is_there_twice_is_named(table, tmp_path):
    path = written(pd.concat([table, table[["value"]]], axis="columns"), tmp_path / "metrics.csv")
    with pytest.raises(MetricsError, match="row 1, column value: the header has this name twice"):
        read_metrics(path)


def test_a_row_that_lacks_a_cell_is_named(tmp_path):
    path = tmp_path / "metrics.csv"
    full_table("truncation", {}, seeds=3)[ESSENTIAL].to_csv(path, index=False)
    lines = path.read_text().splitlines()
    lines[4] = lines[4].replace(",top1", "")
    path.write_text("\n".join(lines))
    with pytest.raises(MetricsError, match=r"row 5, column value: .* is not a finite number"):
        read_metrics(path)


def test_a_run_that_is_there_twice_is_named(table, tmp_path):
    row = end_of(table, "truncated_n5")
    path = written(pd.concat([table, table.loc[[row]]]), tmp_path / "metrics.csv")
    words = f"row {len(table) + 2}, columns .*: repeats row {row + 2} .seed 1 of truncated_n5"
    with pytest.raises(MetricsError, match=words):
        read_metrics(path)


@pytest.mark.parametrize("column", ["study", "variant", "seed", "metric", "split", "value"])
def test_a_missing_column_is_named(table, tmp_path, column):
    path = written(table.drop(columns=column), tmp_path / "metrics.csv")
    with pytest.raises(MetricsError, match=f"there is no column '{column}'; needed are study,"):
        read_metrics(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "row 1: it is empty; the first row of a table names its columns"),
        (b"study,variant,seed,metric,split,epoch,value\n", "has no rows"),
        (b"\xff\xfe\x00study", "row 1: byte 1 is no text in UTF-8; save the table as comma-"),
        (b"a,b\n1,2\n1,\xe9\n", r'row 3: byte 3 is no text in UTF-8; .*"CSV UTF-8"'),
        (b"a,b\n1,2\n1,2,3,4\n", "row 3: 4 values where row 1 has 2 columns; a text with a comma"),
        (b"study;variant\n1;7,5\n", "row 1: semicolons separate the columns; save the table with"),
        (b"study\tvariant\n1\t7.5\n", "row 1: tabulators separate the columns; save the table"),
        (b"Study,value\n1,7.5\n", "row 1: there is no column 'study', but 'Study': rename it; "),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, message):
    path = tmp_path / "metrics.csv"
    path.write_bytes(content)
    with pytest.raises(MetricsError, match=re.escape(str(path)) + ".*" + message):
        read_metrics(path)


def test_a_table_of_results_can_be_made_again_from_its_records(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"")
    (tmp_path / "settings.json").touch()
    command = f"polyrepro collect --configfile {tmp_path}/settings.json --output {path}"
    with pytest.raises(MetricsError, match=f"or make the table again from the records: {command}$"):
        read_metrics(path)


def test_a_table_saved_by_excel_is_read(table, tmp_path):
    """With the mark that it sets before the text, and its ends of lines."""
    path = tmp_path / "my.csv"
    table.to_csv(path, index=False, encoding="utf-8-sig", lineterminator="\r\n")
    assert len(read_metrics(path)) == len(table)


def test_records_made_elsewhere_are_compared(tmp_path, capsys):
    table = full_table("truncation", {"truncated_n1": -5.0, "truncated_n2": -4.0})
    path = written(table[ESSENTIAL], tmp_path / "my.csv")
    main(["compare", "--metrics", str(path)])
    lines = capsys.readouterr().out.splitlines()
    (row,) = [line for line in lines if "truncated_n1 - cross_entropy" in line and "few" in line]
    assert row.endswith("direction only") and "10 of 10" in row and "-5" in row
    assert any(line.startswith("  direction only: The effect has") for line in lines)
    others = len(set(evaluate_claims(read_metrics(path))["claim"])) - 2
    assert lines[-1] == f"{others} further claims have no runs in this table. Scale: elsewhere."
