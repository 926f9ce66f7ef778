"""What a study claims, in a form that runs can decide: contrasts of variants, with margins.

Kind, margin and number of seeds are stated here, before anybody looks at a result. How they become
an outcome is described in docs/verdicts.md.
"""

import math
from typing import Literal

from pydantic import Field, model_validator

from polyrepro.recipes import Frozen
from polyrepro.variants import REFERENCE

ACCURACY_MARGIN = 0.3
"""Points of accuracy within which two losses count as equal: half the largest gain in accuracy that
the paper reports (0.6 on ImageNet-21K)."""

PRECISION_MARGIN = 0.5
"""Points of AP or AR within which two losses count as equal: a fifth of the gain of 2.5 that the
paper reports for box AR, and twice the variation of COCO's AP between seeds (0.2 to 0.3)."""

PLANNED_SEEDS = 10
"""Seeds that test a claim unless it states another number. With ten, a difference of twice its
standard deviation is found in nine of ten reports of thirty questions (docs/verdicts.md)."""


class Contrast(Frozen):
    """A weighted sum of metrics of several variants, computed seed by seed.

    Attributes:
        weights: variant name, or `@selection` for its winner, to weight; {a: 1, b: -1} is a - b.
        metric, split: what is compared.
        over: `end` takes the last epoch; `training` the median over the recorded times of training,
            which are equally spaced: it exceeds a value if the metric does for most of the
            training.
        kind: what is expected. `superiority`: the contrast lies above (`sign` 1) or below (-1)
            the threshold. `equivalence`: it lies within `margin` of the threshold. `at_most`: it
            lies below the threshold plus `margin`.
        margin: in the metric's unit. A superiority contrast may have one, too: within it the
            difference counts as none, which can then be shown where the claim fails.
    """

    weights: dict[str, float] = Field(min_length=1)
    metric: str
    split: Literal["train", "validation", "test"] = "test"
    over: Literal["end", "training"] = "end"
    kind: Literal["superiority", "equivalence", "at_most"] = "superiority"
    threshold: float = 0.0
    sign: Literal[1, -1] = 1
    margin: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _margin_where_one_is_needed(self) -> "Contrast":
        if self.kind != "superiority" and self.margin is None:
            raise ValueError(
                f"the {self.kind} contrast of {self.metric} between {', '.join(self.weights)} "
                "needs a margin, stated before the runs are seen; add margin=..."
            )
        if self.kind != "superiority" and self.sign != 1:
            raise ValueError(
                f"the {self.kind} contrast of {self.metric} between {', '.join(self.weights)} has "
                'a sign, which says nothing there; leave it out (for "at least" change the '
                "signs of the weights)"
            )
        if self.kind != "at_most" and self.margin == 0:
            raise ValueError(
                f"the {self.kind} contrast of {self.metric} between {', '.join(self.weights)} has "
                "a margin of 0, within which nothing can be shown to lie; give a larger one"
            )
        return self

    @property
    def edges(self) -> tuple[float, float]:
        """The threshold minus and plus the margin; NaN, within which nothing lies, without one."""
        margin = math.nan if self.margin is None else self.margin
        return self.threshold - margin, self.threshold + margin

    @property
    def selections(self) -> tuple[str, ...]:
        """Names of the selections whose winners are compared."""
        return tuple(name[1:] for name in self.weights if name.startswith("@"))


def against_reference(
    name: str,
    metric: str = "top1",
    sign: Literal[1, -1] = 1,
    *,
    reference: str = REFERENCE,
    split: Literal["train", "test"] = "test",
    margin: float | None = None,
) -> Contrast:
    """The difference of a variant (or `@selection`) to the reference, expected to have `sign`."""
    return Contrast(
        weights={name: 1, reference: -1}, metric=metric, split=split, sign=sign, margin=margin
    )


def equals_reference(
    name: str, metric: str, margin: float, *, reference: str = REFERENCE
) -> Contrast:
    """The difference of a variant (or `@selection`) to the reference, expected within `margin`."""
    return Contrast(
        weights={name: 1, reference: -1}, metric=metric, kind="equivalence", margin=margin
    )


class Claim(Frozen):
    """A statement of the paper, or of ours, and the contrasts that must all hold for it.

    Attributes:
        name: unique over all studies.
        statement: what is claimed, in words that fit any scale.
        published: id of the row of `results/published/statements.csv` that the statement comes
            from; None for a question of our own.
        quantity: what the contrasts measure, with its unit.
        seeds: number of seeds that are to test it; with fewer the outcome says so.
        step_down: the contrasts are equivalences in an order, of which the first must hold; each
            further one is examined only if all before it hold. The claim then says how far that
            goes.

    Contrasts of variants that a scale does not run are left out there.
    """

    name: str
    statement: str
    published: str | None = None
    quantity: str
    contrasts: tuple[Contrast, ...]
    seeds: int = Field(default=PLANNED_SEEDS, ge=2)
    step_down: bool = False

    @model_validator(mode="after")
    def _can_be_decided(self) -> "Claim":
        if not self.contrasts:
            raise ValueError(
                f"claim {self.name} has no contrasts, so no run could decide it; give at least one"
            )
        if self.step_down and any(c.kind != "equivalence" for c in self.contrasts):
            raise ValueError(
                f"claim {self.name}: step_down needs equivalence contrasts with margins"
            )
        return self
