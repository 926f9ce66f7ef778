"""Results of other scales, or of other machines, that a report shows beside its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from polyrepro.analysis.claims_table import claim_of, contrasts_of, read_claims
from polyrepro.analysis.published import PAPER_SCALE, SHORTENED
from polyrepro.analysis.reference_folders import COMMITTED, SourceError, tables_in
from polyrepro.analysis.statistics import read_statistics
from polyrepro.errors import PolyreproError
from polyrepro.studies import STUDIES
from polyrepro.studies.claim import Contrast


@dataclass(frozen=True)
class Source:
    """Judged claims of one report.

    Attributes:
        name: that of its folder where it was committed, which says what the data were; otherwise
            the scale, with the folder where several have it.
        claims: as `read_claims` gives them.
    """

    name: str
    folder: Path
    claims: pd.DataFrame
    statistics: pd.DataFrame

    @cached_property
    def judged(self) -> dict[str, pd.DataFrame]:
        """Claim to its rows, a row for each contrast; claims that were not run are left out."""
        rows = self.claims[(self.claims["contrast"] != "") & (self.claims["outcome"] != "not run")]
        return {str(name): of_claim for name, of_claim in rows.groupby("claim", sort=False)}

    @property
    def scale(self) -> str:
        """The scale of the claims that were judged; "none" if there is no such claim."""
        rows = self.claims[self.claims["contrast"] != ""]
        return str(rows["scale"].iloc[0]) if len(rows) else "none"

    def seeds(self, study: str) -> int:
        """The most seeds that a variant of a study has; 0 if it was not run."""
        rows = self.statistics[self.statistics["study"] == study]
        return int(rows["n"].max()) if len(rows) else 0

    def weight(self, study: str) -> tuple[bool, bool, int]:
        """How much the evidence on a study weighs: the paper's scale first, then more seeds."""
        present = self.seeds(study) > 0
        return (
            present and self.scale == PAPER_SCALE,
            present and self.scale in SHORTENED,
            self.seeds(study),
        )

    def figure(self, name: str) -> Path | None:
        """A figure of the report; None if it has none of this name, or its file is gone."""
        for path in (self.folder / "figures" / f"{name}.pdf", self.folder / f"{name}.png"):
            if path.exists():
                return path.resolve()
        return None


def read_sources(results: Path, folders: Sequence[Path]) -> list[Source]:
    """A report's own claims, and those of the folders that it shows beside them.

    Raises:
        SourceError: naming the file and the reason, if a folder cannot be shown.
    """
    claims = read_claims(results / "claims.csv")
    # Of a report in which no claim was judged no run may have finished.
    nothing_judged = not claims["contrast"].any()
    statistics = read_statistics(results / "statistics.csv", may_be_empty=nothing_judged)
    own = Source("this report", results, claims, statistics)
    others = []
    for folder in folders:
        tables = tables_in(folder)
        try:
            claims, statistics = read_claims(tables[0]), read_statistics(tables[1])
        except PolyreproError as error:
            raise SourceError(
                f"{error}; or remove {folder} from `references` (from results/reference, if it "
                "lies there)"
            ) from None
        others.append(Source(str(folder), folder, claims, statistics))
        if others[-1].scale == "none":
            raise SourceError(
                f"{tables[0]}, column contrast: no claim was judged, so that there is nothing to "
                "show; remove the folder from `references`"
            )
    scales = [source.scale for source in (own, *others)]
    return [own] + [
        Source(_name(source, scales), source.folder, source.claims, source.statistics)
        for source in others
    ]


def _name(source: Source, scales: list[str]) -> str:
    if source.folder.resolve().parent == COMMITTED:
        return source.folder.name
    repeated = scales.count(source.scale) > 1
    return f"{source.scale} in {source.folder}" if repeated else source.scale


def claim_numbers(sources: Sequence[Source]) -> dict[str, str]:
    """Claim to its number: that of the first source's table; what it lacks is counted on."""
    own, *others = sources
    judged = own.claims[own.claims["contrast"] != ""]
    found: dict[str, str] = {}
    for rows in (judged, own.claims):
        for claim, number in zip(rows["claim"], rows["number"], strict=True):
            found.setdefault(claim, number)
    last = len(own.claims["number"].unique())
    for study in STUDIES.values():
        for claim in study.claims:
            if claim.name not in found and any(claim.name in source.judged for source in others):
                last += 1
                found[claim.name] = f"C{last}"
    return found


def contrasts_by_source(
    claim: str, sources: Sequence[Source]
) -> list[tuple[Contrast, list[pd.Series | None]]]:
    """The contrasts of a claim, each with its row of each source; None where one lacks it.

    They are in the order of the study, and those that no source has measured are left out.
    """
    rows: dict[int, list[pd.Series | None]] = {}
    contrasts: tuple[Contrast, ...] = ()
    for place, source in enumerate(sources):
        if claim not in source.judged:
            continue
        of_claim = source.judged[claim]
        contrasts = claim_of(of_claim.iloc[0]).contrasts
        for contrast, (_, row) in zip(contrasts_of(of_claim), of_claim.iterrows(), strict=True):
            if row["n"] > 0:
                of_contrast = rows.setdefault(contrasts.index(contrast), [None] * len(sources))
                of_contrast[place] = row
    return [(contrasts[position], rows[position]) for position in sorted(rows)]
