"""The abstract's sentences about results: how many claims came to what, and effect sizes."""

from collections import Counter

from polyrepro.analysis.outcomes import OUTCOMES
from polyrepro.report.labels import METRIC_LABELS

MOST_EFFECTS = 6
"""An abstract is short; the table of all claims has the others."""


def abstract(claims: list[dict]) -> dict:
    """Words for the abstract.

    Args:
        claims: as `judged_claims` gives them.

    Returns:
        `counts`: the number of claims per outcome, and of those that lack runs; `gains`: a sentence
        about the paper's claims that accuracy, AP or AR rises; `effects`: one phrase for each claim
        of a single comparison whose published gain is known, then for the first claim of the
        paper's in each other study, up to `MOST_EFFECTS`; `few_seeds`: a sentence about the claims
        that were tested with fewer seeds than planned.
    """
    measured = [claim for claim in claims if claim["contrasts"][0]["measured"] != "–"]
    chosen = [claim for claim in measured if claim["gain"] != "–"]
    for claim in measured:
        if claim["published"] and claim["study"] not in {c["study"] for c in chosen}:
            chosen.append(claim)
    chosen = chosen[:MOST_EFFECTS]
    gains = [claim["outcome"] for claim in claims if claim["of_gain"]]
    return {
        "counts": _counts(claims),
        "gains": _gains([outcome for outcome in gains if outcome != "not run"]),
        "effects": [
            {"number": claim["number"], "text": _effect(claim)}
            for claim in claims
            if claim in chosen
        ],
        "few_seeds": _few_seeds(measured),
    }


def _counts(claims: list[dict]) -> str:
    judged = [claim["outcome"] for claim in claims if claim["outcome"] != "not run"]
    counts, left = Counter(judged), len(claims) - len(judged)
    listed = _listed([f"{counts[outcome]} {outcome}" for outcome in OUTCOMES if counts[outcome]])
    if len(judged) == 1:
        text = f"One claim was judged: {judged[0]}."
    else:
        text = f"{len(judged)} claims were judged: {listed}." if judged else "No claim was judged."
    return text + (f" For {left} more of the studies' claims runs are missing." if left else "")


def _few_seeds(measured: list[dict]) -> str:
    few = [c for c in measured if any(e["n"] < e["planned"] for e in c["contrasts"])]
    if not few:
        return ""
    return (
        f"Of {len(measured)} claims with measurements, {len(few)} had fewer seeds than their "
        "studies plan, so that only large effects could be shown."
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
        text += f"; {'re-run by others' if by_others else 'published'} {claim['gain']}"
    return text + ")"


def _listed(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
