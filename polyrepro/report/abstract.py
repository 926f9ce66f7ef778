"""The abstract's sentences about results: how many claims came to what, and effect sizes."""

from collections import Counter

from polyrepro.analysis.outcomes import OUTCOMES


def abstract(claims: list[dict]) -> dict:
    """Words for the abstract.

    Args:
        claims: as `judged_claims` gives them.

    Returns:
        `counts`: one sentence with the number of claims per outcome; `effects`: one phrase for each
        claim of a single comparison whose published gain is known, and for the first of each study
        otherwise; `confirmed`: names of claims that were decided in the paper's favour.
    """
    counts = Counter(claim["outcome"] for claim in claims)
    parts = [f"{counts[o]} {'is' if counts[o] == 1 else 'are'} {o}" for o in OUTCOMES if counts[o]]
    seen: set[str] = set()
    effects = []
    for claim in claims:
        first = claim["contrasts"][0]
        if first["measured"] == "–" or (claim["study"] in seen and claim["gain"] == "–"):
            continue
        seen.add(claim["study"])
        effects.append({"number": claim["number"], "text": _effect(claim)})
    return {"counts": _listed(parts), "claims": len(claims), "effects": effects}


def _effect(claim: dict) -> str:
    first = claim["contrasts"][0]
    text = f"{first['contrast']}: {first['measured']} ({first['interval']}"
    if claim["gain"] != "–" and len(claim["contrasts"]) == 1:
        text += f"; published {claim['gain']}"
    return text + ")"


def _listed(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
