"""The report of made-up results: its numbers are the tables', its bytes are the same each time."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from made_up_results import write_results
from test_page import Page

from polyrepro import report
from polyrepro.analysis import reference_folders
from polyrepro.analysis.claims_table import read_claims
from polyrepro.analysis.reference_folders import COMMITTED
from polyrepro.analysis.statistics import COLUMNS, read_statistics
from polyrepro.cli import main
from polyrepro.figures import draw
from polyrepro.plan import Plan
from polyrepro.report.claim_values import claims_not_run, judged_claims, outcome_counts
from polyrepro.report.values import report_values
from polyrepro.settings import check_settings


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
    assert sum(counts.values()) == len(values["claims"])
    assert all(entry["definition"] for entry in outcome_counts([]))


def test_contrasts_of_one_claim_in_several_metrics_name_them(plan):
    claims = read_claims(Path(plan.settings.results) / "claims.csv")
    rows = claims[(claims["claim"] == "few_terms_lose") & (claims["contrast"] != "")].copy()
    (last,) = rows.index[-1:]
    rows.loc[last, "contrast"] = rows.loc[last, "contrast"].replace("top1 (test)", "box_ap (test)")
    (claim,) = judged_claims(rows, {})
    first, second = (contrast["contrast"] for contrast in claim["contrasts"])
    assert first.startswith("first 10 terms") and second.startswith("box AP: first 100 terms")


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


@pytest.fixture
def other(tmp_path):
    """Results of another scale with more seeds, and of a study that the report has not run."""
    folder = write_results(
        tmp_path / "full", seeds=4, scale="embedded_full", studies="truncation,baselines"
    )
    (folder / "figures").mkdir()
    for name in ("truncation.pdf", "baselines_variants.pdf"):
        (folder / "figures" / name).write_text(name)
    return folder


def with_references(plan, *folders):
    return Plan(plan.settings.model_copy(update={"references": [str(f) for f in folders]}))


def test_verdicts_of_a_listed_folder_stand_beside_the_own(plan, other):
    values = report_values(with_references(plan, other))
    names = [source["name"] for source in values["sources"]]
    name = f"embedded_full in {other}"
    # A committed folder's own name says what the data were.
    assert names == ["this report", "cifar10-jpeg_cpu", "embedded_full", name]
    assert values["sources"][-1]["seeds"] == "4" and values["sources"][-1]["studies"] == 2
    table = read_claims(other / "claims.csv")
    for claim in values["claims"]:
        (beside,) = [v for v in values["verdicts_elsewhere"][claim["claim"]] if v["source"] == name]
        rows = table[(table["claim"] == claim["claim"]) & (table["contrast"] != "")]
        assert beside["outcome"] == rows["outcome"].iloc[0]
        shown = [contrast["measured"] for contrast in beside["contrasts"]]
        assert shown == [f"{m:+.2f}".replace("-", "−") for m in rows["measured"][: len(shown)]]
        assert len(shown) == len(rows) or claim["claim"] == "many_terms_match"


def test_what_only_others_have_run_is_listed_with_its_source(plan, other, monkeypatch, tmp_path):
    monkeypatch.setattr(reference_folders, "COMMITTED", tmp_path / "none")
    values = report_values(with_references(plan, other))
    assert list(values["studies_elsewhere"]) == ["baselines"]
    study = values["studies_elsewhere"]["baselines"]
    assert study["sources"] == ["embedded_full"]
    (figure,) = study["figures_elsewhere"]
    assert figure["overview"] and figure["path"].endswith("full/figures/baselines_variants.pdf")
    (claim,) = values["claims_elsewhere"]
    assert claim["study"] == "baselines" and claim["contrasts"] == []
    assert claim["outcome"] == "not run"
    assert claim["number"] not in {c["number"] for c in values["claims"]}
    assert values["verdicts_elsewhere"][claim["claim"]][0]["contrasts"][0]["n"] == 2


def test_the_figures_of_the_source_with_more_seeds_are_shown(plan, other, monkeypatch, tmp_path):
    monkeypatch.setattr(reference_folders, "COMMITTED", tmp_path / "none")
    fewer = write_results(tmp_path / "fewer", seeds=2, scale="cifar", studies="truncation")
    (fewer / "figures").mkdir()
    (fewer / "figures/truncation.pdf").write_text("")
    values = report_values(with_references(plan, fewer, other))
    (figure,) = values["studies"]["truncation"]["figures_elsewhere"]
    assert (figure["source"], figure["seeds"], figure["overview"]) == ("embedded_full", 4, False)
    values = report_values(with_references(plan, fewer))
    assert values["studies"]["truncation"]["figures_elsewhere"] == []


def test_the_own_folder_is_no_reference_and_without_others_there_are_no_sources(
    plan, monkeypatch, tmp_path
):
    monkeypatch.setattr(reference_folders, "COMMITTED", tmp_path / "none")
    values = report_values(with_references(plan, plan.settings.results))
    assert values["sources"] == values["claims_elsewhere"] == []
    assert values["verdicts_elsewhere"] == values["studies_elsewhere"] == {}


def test_committed_results_can_be_shown_and_those_of_the_own_scale_are_not(monkeypatch):
    monkeypatch.chdir(COMMITTED.parents[1])
    folders = reference_folders.reference_folders(Path("results/x"), "embedded", [])
    here = Path("results/reference")  # a project that moves stays the same
    others = [here / "cifar10-jpeg_cpu", here / "embedded_full"]
    assert folders == others
    folders = reference_folders.reference_folders(Path("results/x"), "paper", [])
    assert folders == sorted([here / "embedded", *others])
    for folder in folders:
        assert len(read_claims(folder / "claims.csv"))
        assert len(read_statistics(folder / "statistics.csv"))


def test_a_folder_that_cannot_be_shown_is_refused_with_file_and_reason(plan, other):
    table = pd.read_csv(other / "claims.csv")
    for damage, message in (
        (
            lambda t: t.replace("direction only", "proven"),
            "row 3, column contrast_outcome: 'proven'",
        ),
        (lambda t: t.drop(columns="decisive_low"), "row 1: there is no column 'decisive_low'"),
        (lambda t: t[t["contrast"].isna()], "column contrast: no claim was judged"),
        (
            lambda t: t.drop(index=0),
            "row 2, column contrast: the claim 'few_terms_lose' has 1 rows",
        ),
    ):
        damage(table).to_csv(other / "claims.csv", index=False)
        with pytest.raises(reference_folders.SourceError, match=re.escape(message)) as refusal:
            report_values(with_references(plan, other))
        assert str(refusal.value).startswith(str(other / "claims.csv"))
        assert "from `references`" in str(refusal.value)
    (other / "statistics.csv").unlink()
    with pytest.raises(
        reference_folders.SourceError, match=r"statistics\.csv does not exist; a folder"
    ):
        report_values(with_references(plan, other))


def test_no_claim_left_out_is_no_row():
    columns = ("contrast", "study", "scale")
    assert claims_not_run(pd.DataFrame([dict.fromkeys(columns, "x")])) == []


@pytest.mark.parametrize("alone", [True, False])
def test_a_report_without_any_run_says_what_is_missing(alone, tmp_path, monkeypatch):
    """The committed results of other scales, where there are any, are what it shows."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    if alone:
        monkeypatch.setattr(reference_folders, "COMMITTED", tmp_path / "none")
    config = {"scale": "embedded", "studies": "truncation", "seeds": 2, "runs_per_job": 1}
    plan = Plan(check_settings(config | {"results": str(tmp_path), "finished_only": "true"}))
    settings, metrics = tmp_path / "settings.json", tmp_path / "metrics.csv"
    settings.write_text(plan.settings.model_dump_json())
    main(["collect", "--configfile", str(settings), "--output", str(metrics)])
    for name in ("statistics", "claims"):
        output = ["--output", str(tmp_path / f"{name}.csv")]
        main([name, str(metrics), "--without-runs", "embedded", *output])
    for figure in ("losses", "forest"):
        references = reference_folders.reference_folders(tmp_path, "embedded", [])
        draw(figure, tmp_path, references)
    report.write_report(plan)
    assert list(pd.read_csv(tmp_path / "statistics.csv").columns) == list(COLUMNS)
    assert set(pd.read_csv(tmp_path / "claims.csv")["outcome"]) == {"not run"}
    values = json.loads((tmp_path / "report.json").read_text())
    assert values["provenance"]["missing"] == sorted(plan.missing) and plan.missing
    assert (values["claims"], values["date"], values["claims_elsewhere"] == []) == ([], "", alone)
    text = " ".join(Page((tmp_path / "report.html").read_text()).texts)
    assert "No study has a finished run of its reference" in text
    # The page marks where a line of a command may end.
    assert "snakemake--cores2--configstudies=truncation" in re.sub(r"\s+", "", text)
    assert ("what follows comes from" in text) != alone
    assert "nothing was measured" in (tmp_path / "summary.md").read_text()


def test_a_table_without_rows_is_refused_unless_no_run_has_finished(tmp_path):
    metrics = tmp_path / "metrics.csv"
    metrics.write_text("study,variant,seed,metric,split,epoch,value\n")
    with pytest.raises(SystemExit, match="has no rows; collect runs first"):
        main(["statistics", str(metrics), "--output", str(tmp_path / "statistics.csv")])
    assert not (tmp_path / "statistics.csv").exists()
