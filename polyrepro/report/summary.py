"""summary.md: the verdicts on one screen, for a terminal or a web page."""


def summary_markdown(values: dict) -> str:
    """How many claims have each outcome, and one row per claim that was judged."""
    lines = [f"# PolyLoss reproduction, scale `{values['scale']}`", ""]
    if values["analogue"] and values["claims"]:
        lines += [
            "Every verdict below is about a small analogue on the data named in the report, not "
            "about the paper's own experiments.",
            "",
        ]
    if values["shortened"] and values["claims"]:
        lines += [
            "Every verdict below is about trainings that are shorter than the paper's, on smaller "
            "images.",
            "",
        ]
    missing = values["provenance"]["missing"]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        named = ", ".join(missing[:20]) + (" and others" if len(missing) > 20 else "")
        have = "has" if len(missing) == 1 else "have"
        lines += [f"**{_runs(len(missing))} {have} not finished and {verb} missing:** {named}.", ""]
    if not values["provenance"]["runs"]:
        lines += [
            "No study has a finished run of its reference, so that nothing was measured. The "
            f"report lists {values['not_run_count']} claims that were not run, with commands and "
            "costs.",
            "",
            *_made_with(values),
        ]
        return "\n".join(lines)
    lines += [
        f"{_runs(values['provenance']['runs'])}, seeds per variant: {values['seeds']}. "
        f"{values['abstract']['counts']} {values['not_run_count']} more were not run. "
        f"{values['abstract']['gains']}".strip(),
        "",
        "| claim | published | measured (interval, seeds) | outcome |",
        "|---|---|---|---|",
    ]
    lines += [_row(claim) for claim in values["claims"]]
    lines += [
        "",
        f"Intervals are {values['confidence']} % t intervals of differences paired by seed; "
        "outcomes are corrected for the number of claims. A claim with several comparisons shows "
        "the first.",
        "",
        *_made_with(values),
    ]
    return "\n".join(lines)


def _made_with(values: dict) -> list[str]:
    return [f"Made with `{values['provenance']['command']}`.", ""]


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _row(claim: dict) -> str:
    first = claim["contrasts"][0]
    measured = f"{first['contrast']}: {first['measured']} ({first['interval']}, n = {first['n']})"
    published = claim["published_status"] or "our question"
    if claim["gain"] != "–":
        published = f"{claim['gain']} ({published})"
    return f"| {claim['statement']} | {published} | {measured} | **{claim['outcome']}** |"
