"""Results that a report shows beside its own: their verdicts, claim by claim, and figures."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from polyrepro.analysis.outcomes import EQUIVALENT, OUTCOMES
from polyrepro.analysis.references import Source, claim_numbers
from polyrepro.figures import FIGURES, GENERIC, OWN
from polyrepro.figures.names import labels_of
from polyrepro.report.claim_values import judged_claims
from polyrepro.studies import STUDIES

UNKNOWN = "unknown"
"""Instead of hardware, where a folder does not say what its runs were trained on."""


def sources_values(sources: Sequence[Source], hardware: Sequence[str]) -> list[dict]:
    """Every source with what it consists of, the report's own first; none if it is alone.

    Args:
        hardware: of the report's own runs.
    """
    if len(sources) == 1:
        return []
    return [
        {
            "name": source.name,
            "scale": source.scale,
            "folder": str(source.folder),
            "studies": len({rows["study"].iloc[0] for rows in source.judged.values()}),
            "seeds": _range(source.seeds(name) for name in source.statistics["study"].unique()),
            "outcomes": _outcomes(source) or "–",
            "hardware": _hardware(source.folder) if place else "; ".join(hardware) or "–",
        }
        for place, source in enumerate(sources)
    ]


def _range(counts) -> str:
    found = set(counts) or {0}
    return " to ".join(str(count) for count in sorted({min(found), max(found)}))


def _outcomes(source: Source) -> str:
    counts = Counter(str(rows["outcome"].iloc[0]) for rows in source.judged.values())
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome])


def _hardware(folder: Path) -> str:
    """What the runs of a folder were trained on, as its report says."""
    for name in ("provenance.json", "report.json"):
        if (folder / name).exists():
            content = json.loads((folder / name).read_text(encoding="utf-8"))
            hardware = "; ".join(content.get("provenance", content).get("hardware", []))
            return hardware.replace("cpu (", "CPU (") or UNKNOWN
    return UNKNOWN


def verdicts_elsewhere(sources: Sequence[Source]) -> dict[str, list[dict]]:
    """Claim to what the other sources say of it: their name, outcome and contrasts."""
    found: dict[str, list[dict]] = {}
    for source in sources[1:]:
        for claim in judged_claims(source.claims, labels_of(source.statistics)):
            if claim["claim"] in source.judged:
                entry = {"source": source.name} | {key: claim[key] for key in ("outcome", "notes")}
                entry["contrasts"] = _examined(claim)
                found.setdefault(claim["claim"], []).append(entry)
    return found


def _examined(claim: dict) -> list[dict]:
    """The contrasts of a claim; of one that steps down, as far as it got."""
    contrasts = claim["contrasts"]
    (stated,) = [c for c in STUDIES[claim["study"]].claims if c.name == claim["claim"]]
    if stated.step_down:
        held = [contrast["outcome"] == EQUIVALENT for contrast in contrasts]
        return contrasts[: (held.index(False) + 1 if False in held else len(held))]
    return contrasts


def claims_elsewhere(sources: Sequence[Source]) -> list[dict]:
    """The claims that only other sources have judged, as `judged_claims` gives them.

    They have no contrasts of this report's.
    """
    numbers, own = claim_numbers(sources), sources[0].claims
    judged = set(own.loc[own["contrast"] != "", "claim"])
    entries: dict[str, dict] = {}
    for source in sources[1:]:
        for claim in judged_claims(source.claims, labels_of(source.statistics)):
            name = claim["claim"]
            if name in source.judged and name not in judged:
                changes = {"number": numbers[name], "outcome": "not run", "contrasts": []}
                entries.setdefault(name, claim | changes | {"notes": ""})
    order = [claim.name for study in STUDIES.values() for claim in study.claims]
    return [entries[name] for name in sorted(entries, key=order.index)]


def figures_elsewhere(study: str, sources: Sequence[Source]) -> list[dict]:
    """The figures of the source whose evidence on a study weighs more than this report's own.

    Those of a study's own come first; without any there is the one that all studies have.
    """
    own, *others = sources
    better = [source for source in others if source.weight(study) > own.weight(study)]
    names = [name for name, of in FIGURES.items() if of == study and name in OWN]
    for source in sorted(better, key=lambda source: source.weight(study), reverse=True):
        found = {name: source.figure(name) for name in names}
        found = {name: path for name, path in found.items() if path}
        if not found and (overview := source.figure(f"{study}_{GENERIC}")):
            found = {f"{study}_{GENERIC}": overview}
        if found:
            return [
                {"name": name, "path": _seen_from(own.folder, path), "source": source.name}
                | {"seeds": source.seeds(study), "overview": name not in OWN}
                for name, path in found.items()
            ]
    return []


def _seen_from(folder: Path, path: Path) -> str:
    """A path relative to the report, whose bytes are then the same in another folder."""
    return os.path.relpath(path.resolve(), folder.resolve())


def studies_elsewhere(own: Sequence[str], sources: Sequence[Source]) -> dict[str, dict]:
    """The studies that only other sources have run, in the order of the report."""
    run = {str(name) for source in sources[1:] for name in source.statistics["study"].unique()}
    return {
        name: {
            "title": study.title,
            "question": study.question,
            "sources": [s.name for s in sources[1:] if s.seeds(name)],
            "figures_elsewhere": figures_elsewhere(name, sources),
        }
        for name, study in STUDIES.items()
        if name in run and name not in own
    }
