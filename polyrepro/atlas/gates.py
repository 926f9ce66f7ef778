"""Gates on cross-entropy: hard truncation, its soft form with K, and focal loss with gamma.

After Su's essay, with the gates of `polyrepro.losses`. x is the logit of the true class against
the other one, so that P_t = sigmoid(x) for both labels.
"""

import math

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional

from polyrepro.atlas.drawing import BLUE, DASHED, GREY, INK, PINK, wide_figure
from polyrepro.atlas.margin_losses import gradient
from polyrepro.atlas.statements import (
    ADDED,
    ESSAY,
    LEFT_OUT,
    Finding,
    finding,
    states,
    tiny,
)
from polyrepro.figures import style
from polyrepro.losses import (
    HardGate,
    PolySeries,
    Series,
    SoftGate,
    poly_binary_cross_entropy,
    poly_cross_entropy,
    series_binary_cross_entropy,
    soft_gated_cross_entropy,
)

STRENGTHS = (1.0, 2.0, 5.0)
"""Shown values of K and of gamma."""


def of_logit(series: Series, logit: Tensor) -> Tensor:
    """A series as a function of the logit of the true class."""
    return series.value(functional.logsigmoid(logit))


@states("Hard truncation updates the model by wrongly classified samples alone.", ESSAY)
def hard_gate_uses_wrong_samples_alone() -> Finding:
    logit = _logits()
    slopes = gradient(lambda x: of_logit(HardGate(0.5), x), logit)
    entropy = gradient(lambda x: of_logit(Series(), x), logit)
    right, wrong = logit > 0, logit < 0
    holds = bool((slopes[right] == 0).all() and torch.allclose(slopes[wrong], entropy[wrong]))
    gap = float((slopes - entropy)[wrong].abs().max())
    text = "the gradient is 0 for P_t > 0.5 and cross-entropy's below; largest difference "
    return finding(holds, text + tiny(gap))


@states("The threshold of hard truncation can be adjusted.", ESSAY)
def hard_gate_has_a_threshold() -> Finding:
    log_pt = torch.tensor([0.55, 0.65]).double().log()
    losses = {t: HardGate(t).value(log_pt).tolist() for t in (0.5, 0.6)}
    numbers = "; ".join(f"{t:g}: {a:.2f} and {b:.2f}" for t, (a, b) in losses.items())
    holds = losses[0.5] == [0, 0] and losses[0.6][0] > 0 and losses[0.6][1] == 0
    return finding(holds, f"loss at P_t = 0.55 and 0.65 by threshold: {numbers}")


@states("Hard truncation is not continuous.", ADDED)
def hard_gate_jumps() -> Finding:
    sides = of_logit(HardGate(0.5), torch.tensor([-1e-9, 1e-9], dtype=torch.float64))
    jump = float(sides[0] - sides[1])
    return finding(abs(jump - math.log(2)) < 1e-6, f"it falls by {jump:.4f} = log 2 at P_t = 0.5")


@states("Softened with a sigmoid of -K x it can be differentiated, and falls everywhere.", ESSAY)
def soft_gate_is_smooth_and_falls() -> Finding:
    logit = _logits()
    largest = {}
    for strength in STRENGTHS:
        slopes = gradient(lambda x, k=strength: of_logit(SoftGate(k), x), logit)
        largest[strength] = float(slopes.max())
    numbers = ", ".join(f"{slope:.1e} (K = {k:g})" for k, slope in largest.items())
    return finding(max(largest.values()) < 0, f"largest derivative by the logit: {numbers}")


@states("The gate written for labels 0 and 1 is one function of P_t.", ESSAY)
def formulas_for_both_labels_agree() -> Finding:
    x, k = _logits(), 2.0
    formulas = {
        1: -torch.sigmoid(-k * x) * functional.logsigmoid(x),
        0: -torch.sigmoid(k * x) * functional.logsigmoid(-x),
    }
    gaps = []
    for label, expected in formulas.items():
        ours = series_binary_cross_entropy(
            x, torch.full_like(x, label), SoftGate(k), reduction="none"
        )
        gaps.append(float((ours - expected).abs().max()))
    return finding(max(gaps) < 1e-12, f"largest difference for K = 2: {tiny(max(gaps))}")


@states("With growing K the soft form becomes hard truncation.", ESSAY)
def soft_gate_becomes_hard() -> Finding:
    logit = _logits()
    logit = logit[logit.abs() > 0.2]
    hard = of_logit(HardGate(0.5), logit)
    gaps = {k: float((of_logit(SoftGate(k), logit) - hard).abs().max()) for k in (5.0, 50.0)}
    numbers = ", ".join(f"{gap:.2g} (K = {k:g})" for k, gap in gaps.items())
    return finding(gaps[50.0] < 1e-4 < gaps[5.0], f"largest difference for |x| > 0.2: {numbers}")


@states("With K = gamma = 1 the soft gate and focal loss are equal.", ESSAY)
def soft_gate_and_focal_loss_meet_at_one() -> Finding:
    logit = _logits()
    values, slopes = (
        [function(series) for series in (SoftGate(1.0), PolySeries(gamma=1.0))]
        for function in (
            lambda series: of_logit(series, logit),
            lambda series: gradient(lambda x: of_logit(series, x), logit),
        )
    )
    gaps = [float((one - other).abs().max()) for one, other in (values, slopes)]
    text = "largest difference of values {}, of gradients {}"
    return finding(max(gaps) < 1e-12, text.format(*map(tiny, gaps)))


@states("K and gamma play much the same part: they silence what is right.", ESSAY)
def strengths_play_the_same_part() -> Finding:
    easy = torch.tensor(0.9, dtype=torch.float64).log()
    shares = {
        name: [float(make(s).value(easy) / Series().value(easy)) for s in STRENGTHS]
        for name, make in (("K", SoftGate), ("gamma", lambda g: PolySeries(gamma=g)))
    }
    holds = all(each == sorted(each, reverse=True) and each[0] < 0.11 for each in shares.values())
    numbers = "; ".join(f"{name}: {_list(each)}" for name, each in shares.items())
    return finding(holds, f"of cross-entropy at P_t = 0.9, strengths 1, 2, 5: {numbers}")


@states(
    "K and gamma differ for what is wrong: K returns to cross-entropy, gamma moves away.", ADDED
)
def strengths_differ_on_wrong_samples() -> Finding:
    log_pt = torch.tensor(0.1, dtype=torch.float64).log()
    entropy = float(Series().value(log_pt))
    soft, focal = (
        [float(make(s).value(log_pt)) / entropy for s in STRENGTHS]
        for make in (SoftGate, lambda g: PolySeries(gamma=g))
    )
    text = f"of cross-entropy at P_t = 0.1, strengths 1, 2, 5: soft {_list(soft)}, focal "
    return finding(soft == sorted(soft) and focal == sorted(focal)[::-1], text + _list(focal))


@states("The multi-class soft gate, softmax(-K z)_t, is the two-class gate for two classes.", ESSAY)
def multi_class_gate_contains_the_two_class_gate() -> Finding:
    logits = torch.randn(200, 2, generator=torch.Generator().manual_seed(0)).double() * 3
    target = torch.arange(200) % 2
    both = soft_gated_cross_entropy(logits, target, 2.0, reduction="none")
    rows = torch.arange(200)
    lead = logits[rows, target] - logits[rows, 1 - target]
    gap = float((both - of_logit(SoftGate(2.0), lead)).abs().max())
    return finding(gap < 1e-12, f"largest difference for 200 random pairs of logits: {tiny(gap)}")


@states("For more than two classes soft gate and focal loss differ at K = gamma = 1.", ADDED)
def multi_class_gates_differ_at_one() -> Finding:
    logits = torch.tensor([[2.0, 1.0, 0.0]], dtype=torch.float64)
    target = torch.tensor([0])
    soft = float(soft_gated_cross_entropy(logits, target, 1.0))
    focal = float(poly_cross_entropy(logits, target, gamma=1.0))
    text = f"logits 2, 1, 0 and target the first: softmax gate {soft:.4f}, focal {focal:.4f}"
    return finding(abs(soft - focal) > 0.01, text)


@states("Alpha = 0.5 treats both labels alike and only halves the loss.", ESSAY)
def alpha_of_one_half_halves_the_loss() -> Finding:
    scores = torch.tensor([-2.0, 0.5, 3.0], dtype=torch.float64)
    ratios = []
    for label in (0.0, 1.0):
        labels = torch.full_like(scores, label)
        weighted, plain = (
            poly_binary_cross_entropy(scores, labels, gamma=2.0, alpha=alpha, reduction="none")
            for alpha in (0.5, None)
        )
        ratios += (weighted / plain).tolist()
    holds = max(abs(ratio - 0.5) for ratio in ratios) < 1e-12
    return finding(holds, f"ratio to no alpha for both labels: {min(ratios):g} to {max(ratios):g}")


@states("Alpha should be 0.5 unless it is tuned.", ESSAY)
def advice_on_alpha() -> Finding:
    return Finding(LEFT_OUT, "advice, which no experiment of one data set can show")


@states("Gates and focal loss improve the training of classifiers.", ESSAY)
def gates_in_training() -> Finding:
    return Finding(LEFT_OUT, "a question of training, which belongs to the studies, not the atlas")


def figure() -> Figure:
    """Losses and gradients of the three forms against the logit, each strength in a shade."""
    drawing, panels = wide_figure(2.7, ncols=2)
    # No point at 0, where the hard gate jumps.
    logit = torch.linspace(-3, 3, 600, dtype=torch.float64)
    entries = [("cross-entropy", Series(), INK, "-"), ("hard truncation", HardGate(0.5), GREY, "-")]
    pairs = zip(STRENGTHS, style.shades(BLUE, 3), style.shades(PINK, 3), strict=True)
    for strength, blue, pink in pairs:
        entries.append((f"soft, K = {strength:g}", SoftGate(strength), blue, "-"))
        entries.append((f"focal, γ = {strength:g}", PolySeries(gamma=strength), pink, DASHED))
    for label, series, colour, line in entries:
        look = {"color": colour, "linestyle": line}
        panels[0].plot(logit, of_logit(series, logit), label=label, **look)
        slopes = gradient(lambda x, s=series: of_logit(s, x), logit)
        # The hard gate's slope has two pieces with nothing between them.
        panels[1].plot(logit[logit < 0], slopes[logit < 0], **look)
        panels[1].plot(logit[logit > 0], slopes[logit > 0], **look)
    xlabel = "logit of the true class"
    panels[0].set(xlabel=xlabel, ylabel="loss", xlim=(-3, 3), ylim=(0, 3.1))
    panels[1].set(xlabel=xlabel, ylabel="derivative by the logit", xlim=(-3, 3))
    style.legend_above(drawing, panels[0])
    return drawing


def _logits() -> Tensor:
    return torch.linspace(-10, 10, 2000, dtype=torch.float64)


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.2g}" for value in values)
