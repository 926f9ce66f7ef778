"""Classification by margin: the curves, and what follows from their shape alone."""

import math

import torch
from matplotlib.figure import Figure

from polyrepro.atlas.drawing import (
    AMBER,
    BLUE,
    DASHED,
    DOTTED,
    GREEN,
    GREY,
    INK,
    PINK,
    RED,
    SKY,
    wide_figure,
)
from polyrepro.atlas.margin_losses import (
    contrastive,
    exponential,
    focal,
    gradient,
    hinge,
    logistic,
    ranking_hinge,
    squared,
    squared_of_truncated_model,
    truncated_squared,
    zero_one,
)
from polyrepro.atlas.statements import ADDED, SURVEY, Finding, finding, percent, states
from polyrepro.figures import style

CURVES = (
    ("zero-one", zero_one, GREY, "-"),
    ("logistic (cross-entropy)", logistic, INK, "-"),
    ("focal, γ = 2", focal, PINK, "-"),
    ("hinge", hinge, BLUE, "-"),
    ("exponential", exponential, AMBER, "-"),
    ("squared", squared, RED, "-"),
    ("truncated squared", truncated_squared, GREEN, DASHED),
    ("squared, model truncated", squared_of_truncated_model, SKY, DOTTED),
)


@states("The zero-one loss cannot be minimised by gradients, and is not convex.", SURVEY)
def zero_one_has_no_gradient() -> Finding:
    margin = _margins()
    steps = zero_one(margin + 1e-6) - zero_one(margin)
    flat = float((steps == 0).double().mean())
    text = f"no slope at {percent(flat)} of 8000 margins; at -1, 1 and halfway "
    values = zero_one(torch.tensor([-1.0, 1.0, 0.0])).tolist()
    holds = flat > 0.99 and values[2] > (values[0] + values[1]) / 2
    return finding(holds, text + ", ".join(f"{value:g}" for value in values))


@states("Hinge, exponential, squared and logistic loss bound the zero-one loss from above.", SURVEY)
def surrogates_bound_the_zero_one_loss() -> Finding:
    """Logistic loss does so in units of log 2, which is its value at the margin 0."""
    margin = _margins()
    bounds = {
        "hinge": hinge(margin),
        "exponential": exponential(margin),
        "squared": squared(margin),
        "logistic / log 2": logistic(margin) / math.log(2),
    }
    least = {name: float((values - zero_one(margin)).min()) for name, values in bounds.items()}
    numbers = ", ".join(f"{name} {value:.2g}" for name, value in least.items())
    plain = float(logistic(torch.zeros(1)))
    text = f"least distance above it: {numbers}; logistic with natural logarithm is {plain:.2f} "
    return finding(min(least.values()) >= 0, f"{text}at m = 0, below 1")


@states(
    "Hinge, exponential, squared and logistic loss are convex; truncated losses are not.", SURVEY
)
def truncation_costs_convexity() -> Finding:
    convex = {
        name: _is_convex(loss)
        for name, loss, *_ in CURVES
        if not name.startswith(("zero", "focal"))
    }
    kept = [name for name, is_convex in convex.items() if is_convex]
    lost = [name for name, is_convex in convex.items() if not is_convex]
    holds = len(kept) == 4 and all("truncated" in name for name in lost)
    return finding(
        holds, f"{len(kept)} are convex: {', '.join(kept)}; {len(lost)} are not: {', '.join(lost)}"
    )


@states("Squared loss punishes predictions that are right by a large margin.", SURVEY)
def squared_loss_punishes_large_margins() -> Finding:
    right, wrong = torch.tensor([3.0, -0.5], dtype=torch.float64)
    values = [float(squared(right)), float(squared(wrong))]
    others = [float(loss(right)) for loss in (logistic, hinge, exponential)]
    text = f"margin 3 costs {values[0]:g}, more than the {values[1]:g} of margin -0.5; logistic "
    numbers = "{:.2g}, hinge {:.2g}, exponential {:.2g}".format(*others)
    return finding(values[0] > values[1] and max(others) < 0.1, text + numbers)


@states(
    "Exponential loss is more sensitive to mislabelled samples than logistic and hinge.", SURVEY
)
def exponential_loss_is_sensitive_to_wrong_labels() -> Finding:
    far = torch.tensor(-5.0, dtype=torch.float64)
    sizes = [abs(float(gradient(loss, far))) for loss in (exponential, logistic, hinge)]
    numbers = "exponential {:.1f}, logistic {:.3f}, hinge {:g}".format(*sizes)
    return finding(sizes[0] > 100 * max(sizes[1:]), f"gradient at the margin -5: {numbers}")


@states("Focal loss reduces the weight of what is classified well.", SURVEY)
def focal_loss_reduces_the_weight_of_easy_samples() -> Finding:
    """Lin et al. give a factor of 100 at P_t = 0.9 for gamma 2."""
    probabilities = torch.tensor([0.9, 0.5], dtype=torch.float64)
    margin = torch.logit(probabilities)
    ratios = (logistic(margin) / focal(margin)).tolist()
    text = f"cross-entropy over focal loss, gamma 2: {ratios[0]:.0f} at P_t = 0.9"
    return finding(abs(ratios[0] - 100) < 1e-6, f"{text}, {ratios[1]:.0f} at 0.5")


@states("Ranking hinge asks no more than that the right score exceeds the wrong by m.", SURVEY)
def ranking_hinge_is_zero_beyond_its_margin() -> Finding:
    lead = torch.tensor([-1.0, 0.5, 1.0, 3.0], requires_grad=True)
    losses = ranking_hinge(lead, torch.zeros(4))
    (slopes,) = torch.autograd.grad(losses.sum(), lead)
    holds = losses.tolist() == [2, 0.5, 0, 0] and slopes[3] == 0
    numbers = ", ".join(f"{loss:g}" for loss in losses.tolist())
    return finding(holds, f"m = 1, leads -1, 0.5, 1 and 3: losses {numbers}")


@states("Contrastive loss draws pairs of a class together and others apart up to m.", SURVEY)
def contrastive_loss_attracts_and_repels() -> Finding:
    distance = torch.tensor([0.5, 0.5, 2.0], dtype=torch.float64)
    same = torch.tensor([True, False, False])
    slopes = gradient(lambda d: contrastive(d, same), distance).tolist()
    text = (
        "derivative by the distance: {:g} at 0.5 for one class, {:g} at 0.5 and {:g} at 2 for two"
    )
    return finding(slopes[0] > 0 > slopes[1] and slopes[2] == 0, text.format(*slopes))


@states("Where a loss is small its gradient is small: easy samples stop mattering.", ADDED)
def gradients_of_easy_samples_differ() -> Finding:
    easy = torch.tensor(3.0, dtype=torch.float64)
    losses = (("logistic", logistic), ("focal", focal), ("hinge", hinge), ("squared", squared))
    sizes = {name: abs(float(gradient(loss, easy))) for name, loss in losses}
    numbers = ", ".join(f"{name} {size:.2g}" for name, size in sizes.items())
    holds = all(size < 0.1 for name, size in sizes.items() if name != "squared")
    return finding(holds and sizes["squared"] > 1, f"at the margin 3: {numbers}, the exception")


def figure() -> Figure:
    """The losses and their gradients against the margin."""
    drawing, (values, slopes) = wide_figure(2.9, ncols=2)
    # Short of 3, where truncated squared loss has its second kink.
    margin = torch.linspace(-3, 2.99, 600, dtype=torch.float64)
    for label, loss, colour, line in CURVES:
        # Two other curves follow the squared loss on parts of their way.
        look = {"color": colour, "linestyle": line, "linewidth": 2.4 if loss is squared else 1.1}
        values.plot(margin, loss(margin), label=label, **look)
        if loss is not zero_one:
            slopes.plot(margin, gradient(loss, margin), **look)
    margin_label = "margin $m = y\\,f(x)$"
    values.set(xlabel=margin_label, ylabel="loss", xlim=(-3, 3), ylim=(-0.1, 5))
    slopes.set(xlabel=margin_label, ylabel="derivative by the margin", xlim=(-3, 3))
    slopes.set(ylim=(-5, 2.5))
    style.legend_above(drawing, values)
    return drawing


def _margins() -> torch.Tensor:
    return torch.arange(-4000, 4001, dtype=torch.float64) / 1000


def _is_convex(loss) -> bool:
    some = _margins()[::40]
    one, other = some[:, None], some[None]
    return bool((loss((one + other) / 2) <= (loss(one) + loss(other)) / 2 + 1e-12).all())
