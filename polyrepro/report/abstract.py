"""The abstract's sentences about results: how many claims came to what, and effect sizes."""

from collections import Counter

from polyrepro.analysis.outcomes import OUTCOMES
from polyrepro.report.labels import METRIC_LABELS, listed

UNDECIDED = ("inconclusive", "not run")

MOST_EFFECTS = 6
"""An abstract is short; the table of all claims has the others."""


def abstract(claims: list[dict]) -> dict:
    """Words for the abstract.

    Args:
        claims: as `judged_claims` gives them.

    Returns:
        `counts`: a sentence with the number of claims per outcome, and of those that lack runs;
        `gains`: a sentence about the paper's claims that accuracy, AP or AR rises; `decided`: one
        phrase for the first claim of each study with each definite outcome; `effects`: one for each
        claim of a single comparison whose published gain is known, then for the first claim of the
        paper's in each study that has none so far, up to `MOST_EFFECTS`; `few_seeds`: a sentence
        about the claims that were tested with fewer seeds than planned.
    """
    measured = [claim for claim in claims if claim["contrasts"][0]["measured"] != "–"]
    decided = _decided(measured)
    chosen = [claim for claim in measured if claim["gain"] != "–" and claim not in decided]
    for claim in measured:
        if claim["published"] and claim["study"] not in {c["study"] for c in chosen + decided}:
            chosen.append(claim)
    chosen = chosen[:MOST_EFFECTS]
    gains = [claim["outcome"] for claim in claims if claim["of_gain"]]
    return {
        "counts": _counts(claims),
        "gains": _gains([outcome for outcome in gains if outcome != "not run"]),
        "effects": _effects(claims, chosen),
        "decided": _effects(claims, decided),
        "few_seeds": _few_seeds(measured),
    }


def _counts(claims: list[dict]) -> str:
    judged = [claim["outcome"] for claim in claims if claim["outcome"] != "not run"]
    counts, left = Counter(judged), len(claims) - len(judged)
    if not judged:
        text = "No claim was judged."
    elif len(judged) == 1:
        text = f"One claim was judged: it {_verdict(judged[0], 1)}."
    else:
        parts = [f"{n} {_verdict(o, n)}" for o in OUTCOMES if (n := counts[o])]
        text = f"Of {len(judged)} claims judged, {listed(parts)}."
    return text + (f" For {left} more of the studies' claims runs are missing." if left else "")


def _verdict(outcome: str, count: int) -> str:
    """An outcome as what some claims are."""
    words = {
        "direction only": "confirmed in direction only",
        "published gain excluded": "refuted in size (the published gain is excluded)",
    }
    return f"{_is(count)} {words.get(outcome, outcome)}"


def _decided(measured: list[dict]) -> list[dict]:
    """The first claim of each study with each definite outcome, up to `MOST_EFFECTS`."""
    first: dict[tuple[str, str], dict] = {}
    for claim in measured:
        if claim["outcome"] not in UNDECIDED:
            first.setdefault((claim["study"], claim["outcome"]), claim)
    return list(first.values())[:MOST_EFFECTS]


def _effects(claims: list[dict], chosen: list[dict]) -> list[dict]:
    return [{"number": c["number"], "text": _effect(c)} for c in claims if c in chosen]


def _few_seeds(measured: list[dict]) -> str:
    few = [c for c in measured if any(e["n"] < e["planned"] for e in c["contrasts"])]
    if not few:
        return ""
    those = (
        f"All {len(few)} claims that were measured"
        if len(few) == len(measured) > 1
        else f"Of {len(measured)} claims that were measured, {len(few)}"
    )
    return (
        f"{those} had fewer seeds than their studies plan, so that only large effects could be "
        "shown."
    )


def _gains(outcomes: list[str]) -> str:
    """How many claims of a gain were confirmed; nothing if there are none."""
    if not outcomes:
        return ""
    confirmed = sum(outcome in ("reproduced", "direction only") for outcome in outcomes)
    if len(outcomes) == 1:
        return f"The only claim of a gain is {'' if confirmed else 'not '}confirmed."
    count = str(confirmed) if confirmed else "none"
    return f"Of the {len(outcomes)} claims of a gain, {count} {_is(confirmed)} confirmed."


def _is(count: int) -> str:
    return "are" if count > 1 else "is"


def _effect(claim: dict) -> str:
    first = claim["contrasts"][0]
    points = " points" if first["unit"] in METRIC_LABELS.values() else ""
    text = f"{claim['title'].partition(':')[0]}, {first['unit']}, {first['contrast']}: "
    text += f"{first['measured']}{points} ({first['interval']}"
    if claim["gain"] != "–" and len(claim["contrasts"]) == 1:
        by_others = claim["published_status"] == "re-run"
        text += f"; {'others found' if by_others else 'published'} {claim['gain']}"
    if first.get("expected", "> 0") not in ("> 0", "< 0"):
        text += f"; expected {first['expected']}"
    return text + ")"
