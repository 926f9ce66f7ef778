"""The report of made-up results: its numbers are the tables', its bytes are the same each time."""

import json

import pandas as pd
import pytest
from test_page import Page

from polyrepro import report
from polyrepro.report.claim_values import claims_not_run, outcome_counts
from polyrepro.report.reference_values import reference_values
from polyrepro.report.values import report_values


def test_the_same_inputs_give_the_same_bytes_and_the_date_is_given(plan, tmp_path):
    folder = report.Path(plan.settings.results)
    drawn = []
    for _ in range(2):
        report.write_report(plan)
        drawn.append((folder / "report.pdf").read_bytes())
    assert drawn[0] == drawn[1]
    assert b"STIXGeneral" in drawn[0]
    assert json.loads((folder / "report.json").read_text())["date"] == "2 January 1970"


def test_the_page_is_one_file_with_the_same_numbers_that_lead_to_their_records(plan, page):
    page = Page(page.read_text())
    assert not page.open, "every element is closed"
    assert page.counts["h1"] == 1 and page.counts["table"] > 8
    # Losses, truncation, its variants, the forest; the benchmark's if it was run.
    assert page.counts["img"] >= 4
    embedded = [a for a in page.addresses if a.startswith("data:")]
    assert len(embedded) == page.counts["img"]
    beside = {a for a in page.addresses if not a.startswith(("data:", "#"))}
    assert "claims.csv" in beside and "runs/kanji/truncated_n100/" in beside
    assert not any("//" in address for address in beside), "nothing is loaded from elsewhere"
    values = report_values(plan)
    text = " ".join(page.texts)
    for claim in values["claims"]:
        assert all(c["measured"] in text for c in claim["contrasts"])


def test_a_missing_figure_is_an_error_that_names_it(plan):
    figure = report.Path(plan.settings.results) / "figures/truncation.pdf"
    hidden = figure.rename(figure.with_suffix(".hidden"))
    try:
        with pytest.raises(report.ReportError, match=r"truncation\.pdf"):
            report.write_report(plan)
    finally:
        hidden.rename(figure)


def test_numbers_of_claims_are_those_of_the_table(plan):
    table = pd.read_csv(f"{plan.settings.results}/claims.csv", keep_default_na=False)
    values = report_values(plan)
    measured = table[(table["study"] == "truncation") & (table["contrast"] != "")]
    shown = [c for claim in values["claims"] for c in claim["contrasts"]]
    assert len(shown) == len(measured)
    for entry, (_, row) in zip(shown, measured.iterrows(), strict=True):
        assert entry["measured"] == f"{float(row['measured']):+.2f}".replace("-", "−")
        assert (entry["n"], entry["planned"]) == (row["n"], row["planned"])
        assert entry["outcome"] == row["contrast_outcome"]
    counts = {o["outcome"]: o["count"] for o in values["outcomes"]}
    assert sum(counts.values()) == len(values["claims"]) == values["abstract"]["claims"]
    assert all(entry["definition"] for entry in outcome_counts([]))


def test_all_other_claims_are_listed_with_command_and_price(plan):
    values = report_values(plan)
    listed = {c["number"] for entry in values["not_run"] for c in entry["claims"]}
    judged = {claim["number"] for claim in values["claims"]}
    table = pd.read_csv(f"{plan.settings.results}/claims.csv", keep_default_na=False)
    assert len(listed | judged) == len(table.drop_duplicates(["claim", "scale"]))
    assert not listed & judged and values["not_run_count"] == len(listed)
    runnable = [entry for entry in values["not_run"] if entry["runnable"]]
    assert all("snakemake" in entry["command"] for entry in runnable)
    assert any(entry["price"].endswith("GPU-hours") for entry in runnable)


def test_committed_results_of_another_scale_are_shown_and_the_own_are_not(plan, tmp_path):
    (tmp_path / "embedded").symlink_to(plan.settings.results)
    assert reference_values("embedded", tmp_path) == []
    (reference,) = reference_values("paper", tmp_path)
    assert reference["scale"] == "embedded"
    own = report_values(plan)["claims"]
    without_records = [c | {"records": []} for claim in own for c in claim["contrasts"]]
    assert [c for claim in reference["claims"] for c in claim["contrasts"]] == without_records
    old = tmp_path / "old"
    old.mkdir()
    (old / "claims.csv").write_text("claim,scale\na,embedded\n")
    assert len(reference_values("paper", tmp_path)) == 1


def test_no_claim_left_out_is_no_row():
    columns = ("contrast", "study", "scale")
    assert claims_not_run(pd.DataFrame([dict.fromkeys(columns, "x")])) == []
