"""Values and gradients of the softmax form against the term-by-term oracle."""

import losses_oracle as oracle
import pytest
import torch

from polyrepro.losses import PolyCrossEntropyLoss, poly_cross_entropy

SERIES = [
    {"epsilon": (2.0,)},
    {"epsilon": (-1.0,)},
    {"epsilon": (0.5, -0.3, 0.2)},
    {"terms": 1},
    {"terms": 3},
    {"terms": 40},
    {"gamma": 2.0},
    {"gamma": 0.5},
    {"epsilon": (1.5,), "gamma": 2.0},
    {"epsilon": (0.5, -0.3), "gamma": 0.7},
    {"epsilon": (0.4,), "terms": 2, "gamma": 1.3},
    {"epsilon": (0.4, 0.3, 0.2), "terms": 2},
]
CLASS_WEIGHT = [0.5, 2.0, 1.0, 0.25, 3.0]
LOGITS = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) * 2
INDEX = torch.tensor([0, 4, 2, 1, 1, 3])
PROBABILITIES = torch.rand(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
PROBABILITIES = PROBABILITIES / PROBABILITIES.sum(1, keepdim=True)


def _labels(kind: str, sample: int) -> list[float]:
    if kind == "probabilities":
        return PROBABILITIES[sample].tolist()
    return oracle.one_hot(int(INDEX[sample]), 5)


@pytest.mark.parametrize(
    ("epsilon", "expected"),
    [
        (2, 4.531657285679147),
        (1, 3.7153301084365054),
        (0, 2.8990029311938637),
        (-0.5, 2.490839342572543),
        (-1, 2.082675753951222),
        (1.15, 3.8377791850229013),
    ],
)
def test_published_reference_values(epsilon, expected):
    logits = torch.tensor([[0.14, 1.456, 2.356, -0.124, -2.47]], dtype=torch.float64)
    labels = torch.tensor([[0.1, 0.15, 0.2, 0.25, 0.3]], dtype=torch.float64)
    assert poly_cross_entropy(logits, labels, epsilon).item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("kind", ["index", "probabilities"])
@pytest.mark.parametrize("series", SERIES, ids=str)
def test_value_and_gradient_are_the_oracle_s(series, kind, smoothing, weighted):
    class_weight = CLASS_WEIGHT if weighted else None

    def expected(sample: int):
        labels = oracle.smoothed(_labels(kind, sample), smoothing)
        return lambda row: oracle.softmax_loss(row, labels, **series, class_weight=class_weight)

    logits = LOGITS.clone().requires_grad_()
    losses = poly_cross_entropy(
        logits,
        INDEX if kind == "index" else PROBABILITIES,
        **series,
        weight=torch.tensor(CLASS_WEIGHT, dtype=torch.float64) if weighted else None,
        label_smoothing=smoothing,
        reduction="none",
    )
    losses.sum().backward()
    for sample, row in enumerate(LOGITS.tolist()):
        function = expected(sample)
        assert losses[sample].item() == pytest.approx(function(row), rel=1e-12)
        slopes = oracle.gradient(function, row)
        assert logits.grad[sample].tolist() == pytest.approx(slopes, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("series", SERIES, ids=str)
def test_class_index_and_its_one_hot_labels_agree(series):
    weight = torch.tensor(CLASS_WEIGHT, dtype=torch.float64)
    one_hot = torch.nn.functional.one_hot(INDEX, 5).double()
    for arguments in ({}, {"label_smoothing": 0.2}, {"label_smoothing": 0.2, "weight": weight}):
        hard = poly_cross_entropy(LOGITS, INDEX, **series, **arguments, reduction="none")
        soft = poly_cross_entropy(LOGITS, one_hot, **series, **arguments, reduction="none")
        torch.testing.assert_close(hard, soft, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("series", [{"epsilon": 2.0}, {"gamma": 0.5}], ids=str)
def test_blocks_of_rows_do_not_show(series, monkeypatch):
    def result():
        logits = LOGITS.clone().requires_grad_()
        loss = poly_cross_entropy(logits, PROBABILITIES, **series)
        loss.backward()
        return loss.detach(), logits.grad

    whole = result()
    monkeypatch.setattr("polyrepro.losses.reduction.ELEMENTS_PER_BLOCK", 12)
    torch.testing.assert_close(result(), whole, rtol=1e-14, atol=0)


def test_mean_divides_by_the_weights_of_the_samples_that_count():
    weight = torch.tensor(CLASS_WEIGHT, dtype=torch.float64)
    index = INDEX.clone()
    index[2] = -100
    arguments = {"epsilon": 2.0, "weight": weight}
    losses = poly_cross_entropy(LOGITS, index, **arguments, reduction="none")
    assert losses[2] == 0
    total = weight[index[index >= 0]].sum()
    mean = poly_cross_entropy(LOGITS, index, **arguments)
    torch.testing.assert_close(mean, losses.sum() / total)
    torch.testing.assert_close(
        poly_cross_entropy(LOGITS, index, **arguments, reduction="sum"), losses.sum()
    )


@pytest.mark.parametrize("kind", ["index", "probabilities"])
def test_dimensions_after_the_class_are_samples(kind):
    logits = LOGITS.reshape(1, 2, 3, 5).permute(0, 3, 1, 2)
    flat_target = INDEX if kind == "index" else PROBABILITIES
    target = (
        INDEX.reshape(1, 2, 3)
        if kind == "index"
        else PROBABILITIES.reshape(1, 2, 3, 5).permute(0, 3, 1, 2)
    )
    for series in SERIES:
        for reduction in ("none", "mean", "sum"):
            flat = poly_cross_entropy(LOGITS, flat_target, **series, reduction=reduction)
            deep = poly_cross_entropy(logits, target, **series, reduction=reduction)
            assert deep.shape == ((1, 2, 3) if reduction == "none" else ())
            torch.testing.assert_close(deep.flatten(), flat.flatten(), rtol=1e-13, atol=0)


@pytest.mark.parametrize("series", SERIES, ids=str)
def test_a_single_sample_without_a_batch(series):
    for target in (INDEX, PROBABILITIES):
        for reduction in ("none", "mean"):
            one = poly_cross_entropy(LOGITS[0], target[0], **series, reduction=reduction)
            many = poly_cross_entropy(LOGITS[:1], target[:1], **series)
            assert one.shape == ()
            torch.testing.assert_close(one, many, rtol=1e-13, atol=0)


def test_the_truncated_series_tends_to_cross_entropy():
    exact = torch.nn.functional.cross_entropy(LOGITS, INDEX, reduction="none")
    pt = torch.exp(-exact)
    for terms in (5, 50, 500):
        gap = exact - poly_cross_entropy(LOGITS, INDEX, terms=terms, reduction="none")
        # The remainder is at most its first term's geometric series, q^(N+1) / ((N+1) P_t).
        assert (gap >= -1e-12).all()
        assert (gap <= (1 - pt) ** (terms + 1) / ((terms + 1) * pt) + 1e-12).all()


@pytest.mark.parametrize("target", [INDEX, PROBABILITIES], ids=["index", "probabilities"])
def test_module_is_the_function(target):
    arguments = {
        "terms": 3,
        "gamma": 0.5,
        "weight": torch.tensor(CLASS_WEIGHT, dtype=torch.float64),
        "label_smoothing": 0.1,
        "reduction": "sum",
    }
    module = PolyCrossEntropyLoss([1, -0.25], **arguments)
    expected = poly_cross_entropy(LOGITS, target, [1, -0.25], **arguments)
    assert torch.equal(module(LOGITS, target), expected)
    assert "epsilon=(1.0, -0.25), terms=3, gamma=0.5" in repr(module)
    assert "weight" in module.state_dict()
