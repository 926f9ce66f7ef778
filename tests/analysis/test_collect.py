"""From records to the table."""

from made_up_results import made_up_record

from polyrepro.analysis import metrics_table
from polyrepro.plan import Plan
from polyrepro.settings import check_settings
from polyrepro.studies import STUDIES

SOURCES = {"environment": {"training_source_sha256": "a" * 64}, "series_source_sha256": None}


def test_a_variant_is_called_what_its_study_calls_it_today(monkeypatch, tmp_path):
    """A changed label trains nothing, so the records keep that of their day."""

    def record(settings, run):
        chosen = {"prefix": (2.0,)} if run.variant.after == "best_poly_n1" else {}
        return made_up_record(run.model_copy(update=chosen)) | SOURCES | {"label": "of old"}

    study = STUDIES["poly_n"]
    first, *others = study.variants
    renamed = (first.model_copy(update={"label": "plain"}), *others)
    monkeypatch.setitem(STUDIES, "poly_n", study.model_copy(update={"variants": renamed}))
    monkeypatch.setattr(metrics_table, "read_record", record)
    given = {"scale": "embedded", "studies": "poly_n", "seeds": 1, "runs_per_job": 1}
    table = metrics_table.collect(Plan(check_settings(given | {"results": str(tmp_path)})))
    labels = table.drop_duplicates("variant").set_index("variant")["label"]
    assert labels["cross_entropy"] == "plain"
    assert labels["poly2_e+1"] == "Poly-2 (ε₁ = 2, ε₂ = 1)"
