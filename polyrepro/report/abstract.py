"""The abstract's sentences about results: how many claims came to what, and effect sizes."""

from collections import Counter

from polyrepro.analysis.outcomes import OUTCOMES


def abstract(claims: list[dict]) -> dict:
    """Words for the abstract.

    Args:
        claims: as `judged_claims` gives them.

    Returns:
        `counts`: one phrase with the number of claims per outcome; `gains`: a sentence about the
        paper's claims that accuracy, AP or AR rises; `effects`: one phrase for each claim of a
        single comparison whose published gain is known, and for the first of each study otherwise.
    """
    counts = Counter(claim["outcome"] for claim in claims)
    parts = [f"{counts[o]} as {o}" for o in OUTCOMES if counts[o]]
    seen: set[str] = set()
    effects = []
    for claim in claims:
        first = claim["contrasts"][0]
        if first["measured"] == "–" or (claim["study"] in seen and claim["gain"] == "–"):
            continue
        seen.add(claim["study"])
        effects.append({"number": claim["number"], "text": _effect(claim)})
    return {
        "counts": _listed(parts),
        "gains": _gains([claim["outcome"] for claim in claims if claim["of_gain"]]),
        "claims": len(claims),
        "effects": effects,
    }


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
    text = f"{first['contrast']}: {first['measured']} ({first['interval']}"
    if claim["gain"] != "–" and len(claim["contrasts"]) == 1:
        text += f"; published {claim['gain']}"
    return text + ")"


def _listed(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
