"""`polyrepro losses`: every loss of the chosen studies, also those that the scale does not run."""

import pytest

from polyrepro import cli
from polyrepro.studies import STUDIES
from polyrepro.variants import Loss, Variant

STUDY = STUDIES["truncation_lr"]


def with_variant(monkeypatch, **loss):
    own = Variant(name="own", loss=Loss(**loss))
    grown = STUDY.model_copy(update={"variants": (*STUDY.variants, own)})
    monkeypatch.setitem(STUDIES, STUDY.name, grown)


def test_each_is_listed_as_tables_call_it_and_says_if_it_is_not_run(monkeypatch, capsys):
    with_variant(monkeypatch, series="HardGate", arguments={"threshold": 0.6})
    cli.main(["losses", "--set", "studies=truncation_lr,poly_n"])
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["own"] == "HardGate (threshold = 0.6); not run at the scale embedded"
    assert lines["truncated_n100_lr_x2"] == "first 100 terms (learning rate 0.4)"
    assert lines["poly2_e+1"] == "Poly-1 (ε₁ = 1), with the coefficients of best_poly_n1"


def test_one_that_is_not_run_is_checked_too(monkeypatch):
    with_variant(monkeypatch, series="HardGate", arguments={"treshold": 0.6})
    with pytest.raises(SystemExit, match=r"loss of own cannot be trained: .* mean 'threshold'"):
        cli.main(["losses", "--set", "studies=truncation_lr"])
