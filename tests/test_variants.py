"""Losses as variants of studies: labels, names, what is refused."""

import pytest

from polyrepro.recipes import RECIPES
from polyrepro.runs import Run
from polyrepro.variants import Loss, Variant, coefficient, poly_loss

OWN = Loss(series="my_losses:Scaled", arguments={"scale": 0.5, "terms": 3})


def label(loss, factor=1.0, prefix=(), **names):
    variant = Variant(name="v", loss=loss, learning_rate_factor=factor, **names)
    return Run(recipe=RECIPES["fashion_mnist"], variant=variant, seed=0, prefix=prefix).label


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (label(Loss()), "cross-entropy"),
        (label(Loss(), 2.0), "cross-entropy (learning rate 0.2)"),
        (label(poly_loss((2.0,))), "Poly-1 (ε₁ = 2)"),
        (label(Loss(arguments={"epsilon": 2.0})), "Poly-1 (ε₁ = 2)"),
        (label(poly_loss((-1 / 3,)), prefix=(3.0, 0.0)), "Poly-3 (ε₁ = 3, ε₂ = 0, ε₃ = −0.333)"),
        (label(poly_loss(terms=1)), "first term"),
        (label(poly_loss(terms=5), 0.5), "first 5 terms (learning rate 0.05)"),
        (label(poly_loss(gamma=2.0)), "focal (γ = 2)"),
        (label(poly_loss((-0.5,), gamma=2.0)), "Poly-1 (ε₁ = −0.5, γ = 2)"),
        (label(Loss(label_smoothing=0.1)), "cross-entropy (label smoothing 0.1)"),
        (label(Loss(alpha=0.25)), "cross-entropy (α = 0.25)"),
        (label(OWN), "Scaled (scale = 0.5, terms = 3)"),
        (label(OWN, label="half"), "half"),
        (coefficient(-1 / 3), "−0.333"),
        (coefficient(2.0), "2"),
    ],
)
def test_labels(found, expected):
    assert found == expected


def test_coefficients_belong_to_the_papers_family_only():
    assert OWN.epsilon == () and OWN.terms is None and OWN.gamma == 0
    with pytest.raises(ValueError, match="`after` puts coefficients before those of PolySeries"):
        Variant(name="v", loss=OWN, after="best")


@pytest.mark.parametrize("name", ["", "a b", "my-losses:X", "a:b:c", "x; rm"])
def test_a_series_has_the_form_of_a_python_name(name):
    with pytest.raises(ValueError, match="series"):
        Loss(series=name)


@pytest.mark.parametrize("name", ["../x", "a/b", "-rf", "a b", "$(x)", ""])
def test_the_name_of_a_variant_can_be_a_folder_and_a_word_of_a_command(name):
    with pytest.raises(ValueError, match="name"):
        Variant(name=name)
