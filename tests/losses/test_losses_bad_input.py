"""A wrong argument: its name, its value and what is allowed are in the message."""

import re
import warnings

import pytest
import torch

from polyrepro.losses import (
    HardGate,
    PolyBinaryCrossEntropyLoss,
    PolyCrossEntropyLoss,
    PolySeries,
    SeriesBinaryCrossEntropyLoss,
    SeriesCrossEntropyLoss,
    SoftGate,
    poly_binary_cross_entropy,
    poly_cross_entropy,
    series_binary_cross_entropy,
    series_cross_entropy,
    soft_gated_cross_entropy,
)

LOGITS, INDEX = torch.zeros(2, 3), torch.tensor([0, 1])
PROBABILITIES = torch.full((2, 3), 1 / 3)
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"epsilon": NAN}, ValueError, "epsilon must hold finite numbers, got e_1 = nan"),
        ({"epsilon": (1.0, INF)}, ValueError, "epsilon must hold finite numbers, got e_2 = inf"),
        ({"epsilon": "2"}, TypeError, "epsilon must be a number or a sequence of numbers"),
        ({"epsilon": ["2"]}, TypeError, "epsilon must hold finite numbers, got e_1 = '2'"),
        ({"epsilon": True}, TypeError, "epsilon must be a number or a sequence of numbers"),
        ({"epsilon": None}, TypeError, "epsilon must be a number or a sequence of numbers"),
        ({"epsilon": torch.ones(2)}, TypeError, "epsilon must be a number or a sequence"),
        ({"epsilon": 10**400}, ValueError, "epsilon must hold finite numbers, got e_1 = 1000"),
        ({"gamma": 10**400}, ValueError, "gamma must be a finite number >= 0, got 1000"),
        ({"terms": 0}, ValueError, "terms must be None (all terms) or an integer >= 1, got 0"),
        ({"terms": 2.0}, TypeError, "terms must be None (all terms) or an integer >= 1, got 2.0"),
        ({"gamma": -0.5}, ValueError, "gamma must be a finite number >= 0, got -0.5"),
        ({"gamma": NAN}, ValueError, "gamma must be a finite number >= 0, got nan"),
        ({"gamma": "2"}, TypeError, "gamma must be a finite number >= 0, got '2'"),
    ],
    ids=str,
)
def test_series(arguments, error, message):
    for function in (
        lambda: PolySeries(**arguments),
        lambda: PolyCrossEntropyLoss(**arguments),
        lambda: poly_cross_entropy(LOGITS, INDEX, **arguments),
        lambda: poly_binary_cross_entropy(LOGITS, PROBABILITIES, **arguments),
    ):
        with pytest.raises(error, match=re.escape(message)):
            function()


@pytest.mark.parametrize("epsilon", [(), 2.0])
@pytest.mark.parametrize(
    ("input", "target", "arguments", "error", "message"),
    [
        (LOGITS, INDEX, {"label_smoothing": 1.5}, ValueError,
         "label_smoothing must be a number in [0, 1], got 1.5"),
        (LOGITS, INDEX, {"label_smoothing": NAN}, ValueError,
         "label_smoothing must be a number in [0, 1], got nan"),
        (LOGITS, INDEX, {"reduction": "average"}, ValueError,
         "reduction must be one of ('none', 'mean', 'sum'), got 'average'"),
        (LOGITS, torch.tensor([0]), {}, ValueError,
         "target of class indices must have shape (2,) for input (2, 3), got (1,)"),
        (LOGITS, PROBABILITIES.T, {}, ValueError,
         "target of probabilities must have the shape of input, got (3, 2) for input (2, 3)"),
        (LOGITS, INDEX.int(), {}, TypeError, "target must hold class indices (torch.int64)"),
        (LOGITS, INDEX.bool(), {}, TypeError, "target must hold class indices (torch.int64)"),
        (LOGITS.long(), INDEX, {}, TypeError,
         "input must hold floating point logits, got torch.int64"),
        (LOGITS[0, 0], INDEX[0], {}, ValueError, "input must have a class dimension"),
        (LOGITS, PROBABILITIES, {"ignore_index": 1}, ValueError,
         "ignore_index applies to class indices; with probability targets leave it at -100, got 1"),
        (LOGITS, INDEX, {"ignore_index": None}, TypeError,
         "ignore_index must be an integer, got None"),
        (LOGITS, INDEX, {"ignore_index": 1.5}, TypeError,
         "ignore_index must be an integer, got 1.5"),
        (LOGITS, [0, 1], {}, TypeError, "target must be a tensor, got list"),
        ([[0.0]], INDEX, {}, TypeError, "input must be a tensor, got list"),
        (LOGITS, INDEX, {"weight": torch.ones(2)}, ValueError,
         "weight must have one value per class, shape (3,), got (2,)"),
        (LOGITS, INDEX, {"weight": [1.0, 1.0, 1.0]}, TypeError,
         "weight must be None or a floating point tensor, got [1.0, 1.0, 1.0]"),
    ],
    ids=str,
)  # fmt: skip
def test_softmax_form(input, target, arguments, error, message, epsilon):
    with pytest.raises(error, match=re.escape(message)):
        poly_cross_entropy(input, target, epsilon, **arguments)


@pytest.mark.parametrize("series", [2.0, None, HardGate])
def test_what_is_no_series(series):
    for function in (
        lambda: series_cross_entropy(LOGITS, INDEX, series),
        lambda: series_binary_cross_entropy(LOGITS, PROBABILITIES, series),
        lambda: SeriesCrossEntropyLoss(series),
        lambda: SeriesBinaryCrossEntropyLoss(series),
    ):
        with pytest.raises(TypeError, match=r"series must be a polyrepro\.losses\.Series, got"):
            function()


@pytest.mark.parametrize("epsilon", [(), 2.0])
@pytest.mark.parametrize(
    ("target", "arguments", "error", "message"),
    [
        (PROBABILITIES, {"alpha": 1.5}, ValueError, "alpha must be a number in [0, 1], got 1.5"),
        (PROBABILITIES, {"alpha": "x"}, TypeError, "alpha must be a number in [0, 1], got 'x'"),
        (PROBABILITIES, {"reduction": None}, ValueError, "reduction must be one of"),
        ([0.0], {}, TypeError, "target must be a tensor, got list"),
        (INDEX, {}, ValueError,
         "target must have the shape of input, got (2,) for input (2, 3)"),
        (PROBABILITIES.cfloat(), {}, TypeError, "target must hold real labels in [0, 1]"),
        (PROBABILITIES, {"weight": torch.ones(5, 2, 3)}, ValueError,
         "weight must have a shape that broadcasts to that of input, (2, 3), got (5, 2, 3)"),
        (PROBABILITIES, {"weight": torch.ones(7)}, ValueError, "of input, (2, 3), got (7,)"),
        (PROBABILITIES, {"weight": [1.0]}, TypeError,
         "weight must be None or a tensor of real numbers, got [1.0]"),
    ],
    ids=str,
)  # fmt: skip
def test_sigmoid_form(target, arguments, error, message, epsilon):
    with pytest.raises(error, match=re.escape(message)):
        poly_binary_cross_entropy(LOGITS, target, epsilon, **arguments)


def test_modules_check_when_they_are_made():
    for build, message in (
        (lambda: PolyCrossEntropyLoss(label_smoothing=2), "label_smoothing must be"),
        (lambda: PolyCrossEntropyLoss(reduction="max"), "reduction must be"),
        (lambda: PolyBinaryCrossEntropyLoss(alpha=-1), "alpha must be"),
        (lambda: HardGate(1.5), "threshold must be"),
        (lambda: SoftGate(0), "sharpness must be a finite number > 0, got 0"),
        (lambda: soft_gated_cross_entropy(LOGITS, INDEX, -1.0), "sharpness must be"),
    ):
        with pytest.raises(ValueError, match=message):
            build()


def test_a_coefficient_that_turns_negative_is_a_warning_at_the_caller_s_line():
    with pytest.warns(UserWarning, match=r"e_2 = -0.75 is below -1/2.*no longer fall") as record:
        PolySeries((1.0, -0.75))
    assert record[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PolySeries((-1.0, -0.5))
