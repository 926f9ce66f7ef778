"""What a study is: a question, a grid of variants, and claims that its runs can decide."""

from typing import Literal

from pydantic import Field, model_validator

from polyrepro.recipes import Frozen
from polyrepro.variants import Loss, Variant, poly_loss

REFERENCE = "cross_entropy"
"""Name of plain cross-entropy, with which most studies compare."""


class Selection(Frozen):
    """The variant with the best mean of the study's metric; test images choose nothing.

    Attributes:
        name: unique over all studies; claims refer to the winner as `@name`.
        candidates: names of variants.
        previous: a selection whose winner is one more candidate (it is the grid point "this
            coefficient is zero").
    """

    name: str
    candidates: tuple[str, ...]
    previous: str | None = None


class Contrast(Frozen):
    """A weighted sum of metrics of several variants, computed seed by seed.

    Attributes:
        weights: variant name, or `@selection` for its winner, to weight; {a: 1, b: -1} is a - b.
        metric, split: what is compared.
        over: `end` takes the last epoch; `training` the share of the recorded times of training,
            equally spaced, at which the metric is above 0.5.
        threshold: the contrast is expected to lie above (`sign` 1) or below (-1) it.
    """

    weights: dict[str, float]
    metric: str
    split: Literal["train", "validation", "test"] = "test"
    over: Literal["end", "training"] = "end"
    threshold: float = 0.0
    sign: Literal[1, -1] = 1


def against_reference(
    name: str,
    metric: str = "top1",
    sign: Literal[1, -1] = 1,
    *,
    reference: str = REFERENCE,
    split: Literal["train", "test"] = "test",
) -> Contrast:
    """The difference of a variant (or `@selection`) to the reference, expected to have `sign`."""
    return Contrast(weights={name: 1, reference: -1}, metric=metric, split=split, sign=sign)


class Claim(Frozen):
    """A statement of the paper, and the contrasts that must all hold for it.

    Attributes:
        name: unique over all studies.
        statement: what is claimed, in words that fit any scale.
        published: id of the row of `results/published/` that the statement comes from.
        quantity: what the contrasts measure, with its unit.
    """

    name: str
    statement: str
    published: str
    quantity: str
    contrasts: tuple[Contrast, ...] = Field(min_length=1)


class Study(Frozen):
    """One experiment.

    Attributes:
        name: also the name of its file; the `study` column of the tables.
        title: heading of its section in the report.
        question: one sentence.
        variants: the grid, the reference among them.
        recipes: scale to recipe name. A scale that is missing cannot run this study.
        restricted: scale to the names of the variants that are run there; a scale that is missing
            runs all of them.
        metric: what the study is about; selections and the report's table go by it.
        also: further metrics that the report's table shows.
        reference: the variant that all are compared with; differences are paired seed by seed.
        most_seeds: scale to the number of seeds that suffice there, whatever is configured.
        selections, claims: what is decided from the runs.
    """

    name: str
    title: str
    question: str
    variants: tuple[Variant, ...]
    recipes: dict[str, str]
    restricted: dict[str, tuple[str, ...]] = Field(default={})
    metric: str = "top1"
    also: tuple[str, ...] = ()
    reference: str = REFERENCE
    most_seeds: dict[str, int] = Field(default={})
    selections: tuple[Selection, ...] = ()
    claims: tuple[Claim, ...] = ()

    @model_validator(mode="after")
    def _names_fit_together(self) -> "Study":
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            raise ValueError(f"study {self.name}: variant names repeat: {names}")
        if self.reference not in names:
            raise ValueError(f"study {self.name}: the grid must contain {self.reference}")
        for scale, chosen in self.restricted.items():
            if self.reference not in chosen or set(chosen) - set(names):
                raise ValueError(
                    f"study {self.name}: the variants at scale {scale} must be of its grid, "
                    f"{self.reference} among them: {chosen}"
                )
        for selection in self.selections:
            unknown = set(selection.candidates) - set(names)
            if unknown:
                raise ValueError(f"selection {selection.name}: unknown variants {sorted(unknown)}")
        return self

    def seeds_at(self, scale: str, configured: int) -> int:
        """Number of seeds per variant at a scale."""
        return min(configured, self.most_seeds.get(scale, configured))

    def variants_at(self, scale: str) -> tuple[Variant, ...]:
        """The variants that are run at a scale."""
        names = self.restricted.get(scale, [variant.name for variant in self.variants])
        return tuple(variant for variant in self.variants if variant.name in names)


def cross_entropy(learning_rate_factor: float = 1.0) -> Variant:
    """Plain cross-entropy: the reference."""
    return _variant(REFERENCE, poly_loss(), learning_rate_factor)


def poly1(epsilon: float) -> Variant:
    """Poly-1 (eq. 6 of the paper): cross-entropy + epsilon (1 - P_t)."""
    return _variant(f"poly1_e{epsilon:+g}", poly_loss((epsilon,)))


def focal(gamma: float) -> Variant:
    """The focal loss, with the alpha that the detector's head has."""
    return _variant(f"focal_g{gamma:g}", poly_loss(gamma=gamma))


def poly1_focal(epsilon: float, gamma: float) -> Variant:
    """Poly-1 on the focal loss: focal loss + epsilon (1 - P_t)^(gamma + 1)."""
    return _variant(f"poly1_e{epsilon:+g}_g{gamma:g}", poly_loss((epsilon,), gamma=gamma))


def poly_next(count: int, epsilon: float, after: str) -> Variant:
    """Poly-N whose first N - 1 coefficients are the winners of the selection `after`."""
    return Variant(name=f"poly{count}_e{epsilon:+g}", loss=poly_loss((epsilon,)), after=after)


def truncated(terms: int, learning_rate_factor: float = 1.0) -> Variant:
    """The first `terms` terms of cross-entropy's series (the paper's "Drop")."""
    return _variant(f"truncated_n{terms}", poly_loss(terms=terms), learning_rate_factor)


def _variant(name: str, loss: Loss, learning_rate_factor: float = 1.0) -> Variant:
    if learning_rate_factor != 1:
        name = f"{name}_lr_x{learning_rate_factor:g}"
    return Variant(name=name, loss=loss, learning_rate_factor=learning_rate_factor)
