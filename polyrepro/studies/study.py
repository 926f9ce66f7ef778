"""What a study is: a question, a grid of variants, and claims that its runs can decide."""

from pydantic import Field, model_validator

from polyrepro.recipes import Frozen
from polyrepro.studies.claim import Claim
from polyrepro.variants import REFERENCE, Variant


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
        selection_seeds: how many of the seeds choose among candidates, the first ones; the others
            test the winner. None for half of them.
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
    selection_seeds: int | None = Field(default=None, ge=1)
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
        known = {*names, *(f"@{selection.name}" for selection in self.selections)}
        for claim in self.claims:
            for contrast in claim.contrasts:
                if unknown := set(contrast.weights) - known:
                    raise ValueError(
                        f"claim {claim.name}: no variants or selections of study {self.name}: "
                        f"{', '.join(sorted(unknown))}"
                    )
        return self

    def seeds_at(self, scale: str, configured: int) -> int:
        """Number of seeds per variant at a scale."""
        return min(configured, self.most_seeds.get(scale, configured))

    def variants_at(self, scale: str) -> tuple[Variant, ...]:
        """The variants that are run at a scale."""
        names = self.restricted.get(scale, [variant.name for variant in self.variants])
        return tuple(variant for variant in self.variants if variant.name in names)
