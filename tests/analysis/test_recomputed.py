"""Tables are compared with what they were made from, cell by cell."""

import pandas as pd
import pytest

from polyrepro.analysis.metrics_checks import MetricsError
from polyrepro.analysis.recomputed import refuse_other_cells

MADE = pd.DataFrame(
    {
        "variant": ["a", "a", "b"],
        "split": ["test", "validation", "test"],
        "value": [70.5, 71.25, 1.0],
    }
)


def refuse(found, tmp_path, **options):
    path = tmp_path / "metrics.csv"
    found.to_csv(path, index=False)
    refuse_other_cells(path, MADE, "the runs' records", **options)


def test_the_table_itself_passes_and_so_do_other_last_digits(tmp_path):
    refuse(MADE, tmp_path)
    refuse(MADE.assign(value=MADE["value"] * (1 + 1e-12)), tmp_path)


def test_columns_that_are_left_out_may_differ(tmp_path):
    refuse(MADE.assign(value=0.0), tmp_path, without=("value",))


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            MADE.assign(split=["validation", "test", "test"]),
            "row 2, column split: 'validation', not 'test' as the runs' records say",
        ),
        (
            MADE.assign(value=[71.25, 70.5, 1.0]),
            "row 2, column value: '71.25', not '70.5' as the runs' records say",
        ),
        (MADE.assign(value=100 - MADE["value"]), "row 2, column value: '29.5', not '70.5' as"),
        (MADE.assign(variant=["a", "a", "a"]), "row 4, column variant: 'a', not 'b' as"),
        (MADE[:2], "row 4: the table has 2 rows, not 3 as the runs' records say"),
        (pd.concat([MADE, MADE[:1]]), "row 5: the table has 4 rows, not 3 as"),
        (MADE.drop(columns="split"), "row 1: the columns are not those of this version (split)"),
        (MADE[["split", "variant", "value"]], "those of this version (another order)"),
    ],
)
def test_what_differs_is_named(tmp_path, found, message):
    with pytest.raises(MetricsError) as refusal:
        refuse(found, tmp_path)
    text, path = str(refusal.value), tmp_path / "metrics.csv"
    command = f"polyrepro collect --configfile {tmp_path}/settings.json --output {path}"
    assert message in text and text.endswith(f"make the table again from the records: {command}")
