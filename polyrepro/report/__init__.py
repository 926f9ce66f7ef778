"""The end of the pipeline: report.pdf (Typst) and summary.md, from the tables alone."""

from pathlib import Path

from polyrepro.errors import PolyreproError
from polyrepro.plan import Plan

PAPER = Path(__file__).parents[2] / "report" / "paper.typ"


class ReportError(PolyreproError):
    """The report could not be typeset; the text is Typst's own."""


def write_report(plan: Plan) -> None:
    """Write report.json (all values), report.pdf and summary.md into the results folder.

    Raises:
        ReportError: if a template asks for a value or figure that does not exist.
    """
    import matplotlib
    import typst

    from polyrepro.files import write_atomically, write_json
    from polyrepro.report.summary import summary_markdown
    from polyrepro.report.values import report_values

    results = Path(plan.settings.results).resolve()
    values = report_values(plan)
    write_json(results / "report.json", values)
    try:
        # The root is `/` so that a results folder may lie anywhere; the fonts are Typst's own and
        # those that come with matplotlib, so that the same values give the same bytes everywhere.
        pdf = typst.compile(
            str(PAPER),
            root="/",
            ignore_system_fonts=True,
            font_paths=[str(Path(matplotlib.get_data_path()) / "fonts" / "ttf")],
            sys_inputs={"values": str(results / "report.json")},
        )
    except typst.TypstError as error:
        raise ReportError(f"{PAPER.name} cannot be typeset: {error}") from error
    write_atomically(results / "report.pdf", pdf)
    write_atomically(results / "summary.md", summary_markdown(values))
