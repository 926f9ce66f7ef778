"""summary.md: the verdicts on one screen, for a terminal or a web page."""


def summary_markdown(values: dict) -> str:
    """The report's claims as a Markdown table."""
    scale = values["scale"]
    lines = [f"# PolyLoss reproduction, scale `{scale}`", ""]
    if values["analogue"]:
        lines += [
            "Every verdict below is about a small analogue on the data named in the report, not "
            "about the paper's own experiments.",
            "",
        ]
    lines += [
        f"{values['provenance']['runs']} runs, seeds per variant: {values['seeds']}; intervals are "
        f"{values['confidence']} % t intervals, differences are paired by seed.",
        "",
        "| study | claim | measured (interval) | outcome | the paper (status) |",
        "|---|---|---|---|---|",
    ]
    for study in values["studies"].values():
        for claim in study["claims"]:
            measured = "<br>".join(
                f"{c['contrast']}: {c['measured']} ({c['interval']}, n = {c['n']})"
                for c in claim["contrasts"]
            )
            lines.append(
                f"| {study['title']} | {claim['statement']} | {measured} | **{claim['outcome']}** "
                f"| {claim['published']} ({claim['published_status']}) |"
            )
    lines += [""]
    lines += [study["finding"] + "\n" for study in values["studies"].values() if study["finding"]]
    lines += [f"Made with `{values['provenance']['command']}`.", ""]
    return "\n".join(lines)
