"""The end of the pipeline: report.pdf, report.html and summary.md, from the tables alone."""

import json
from pathlib import Path

from polyrepro.errors import PolyreproError
from polyrepro.plan import Plan
from polyrepro.report.layout import Section, best_orders

PAPER = Path(__file__).parents[2] / "report" / "paper.typ"

MOST_PASSES = 30
"""Rounds of typesetting; each settles at least one more section, most of them many."""


class ReportError(PolyreproError):
    """The report could not be typeset; the text is Typst's own."""


def write_report(plan: Plan) -> None:
    """Write report.json (all values), report.pdf, report.html and summary.md.

    Raises:
        ReportError: if a template needs a value or figure that does not exist.
    """
    from polyrepro.files import write_atomically, write_json
    from polyrepro.report.page import interactive
    from polyrepro.report.summary import summary_markdown
    from polyrepro.report.values import report_values

    results = Path(plan.settings.results).resolve()
    values = report_values(plan)
    write_json(results / "report.json", values)
    pdf, page = _typeset(results / "report.json")
    write_atomically(results / "report.pdf", pdf)
    write_atomically(results / "report.html", interactive(page))
    write_atomically(results / "summary.md", summary_markdown(values))


def _typeset(values: Path) -> tuple[bytes, str]:
    """The report as a PDF and as the body of a page, with figures in the same order.

    In which order the figures and the table of a section leave no hole depends on where its text
    ends, and that on the sections before it: the text is typeset again until the order is the best.
    """
    import matplotlib
    import typst

    try:
        # The root is `/` so that a results folder may lie anywhere; the fonts are Typst's own and
        # those that come with matplotlib, so that the same values give the same bytes everywhere.
        compiler = typst.Compiler(
            str(PAPER),
            root="/",
            ignore_system_fonts=True,
            font_paths=[str(Path(matplotlib.get_data_path()) / "fonts" / "ttf")],
        )
        orders: dict[str, list[int]] = {}
        for _ in range(MOST_PASSES):
            inputs = {"values": str(values), "orders": json.dumps(orders)}
            compiler.compile_with_warnings(sys_inputs=inputs, format="pdf")
            sections = json.loads(compiler.query("<with-figures>", field="value"))
            found = best_orders([Section(**section) for section in sections], orders)
            if orders == found:
                break
            orders = found
        page, _ = compiler.compile_with_warnings(sys_inputs=inputs, format="html")
        # In a pass of its own, because it moves the ends of texts.
        inputs |= {"spread": "yes"}
        pdf, _ = compiler.compile_with_warnings(sys_inputs=inputs, format="pdf")
    except typst.TypstError as error:
        raise ReportError(f"{PAPER.name} cannot be typeset: {error}") from error
    return pdf, page if isinstance(page, str) else page.decode()
