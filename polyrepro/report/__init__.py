"""The end of the pipeline: report.pdf, report.html and summary.md, from the tables alone."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from polyrepro.errors import PolyreproError
from polyrepro.plan import Plan
from polyrepro.report.layout import Section, best_orders

if TYPE_CHECKING:
    import typst

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
    """The report as a PDF, and the body of the page for a browser."""
    import matplotlib
    import typst

    inputs = {"values": str(values), "folder": str(values.parent)}
    try:
        # The root is `/` so that a results folder may lie anywhere; the fonts are Typst's own and
        # those that come with matplotlib, so that the same values give the same bytes everywhere.
        compiler = typst.Compiler(
            str(PAPER),
            root="/",
            ignore_system_fonts=True,
            font_paths=[str(Path(matplotlib.get_data_path()) / "fonts" / "ttf")],
        )
        page, _ = compiler.compile_with_warnings(sys_inputs=inputs, format="html")
        orders = _settled_orders(compiler, inputs)
        # Spread in a pass of its own, because it moves the ends of texts.
        spread = inputs | {"orders": json.dumps(orders), "spread": "yes"}
        pdf, _ = compiler.compile_with_warnings(sys_inputs=spread, format="pdf")
    except typst.TypstError as error:
        raise ReportError(f"{PAPER.name} cannot be typeset: {error}") from error
    return pdf, page.decode()


def _settled_orders(compiler: "typst.Compiler", inputs: dict[str, str]) -> dict[str, list[int]]:
    """The order of each section's figures and table that leaves no hole.

    It depends on where the section's text ends, and that on the sections before it: the text is
    typeset again until the orders are the best.
    """
    orders: dict[str, list[int]] = {}
    settled = 0
    for _ in range(MOST_PASSES):
        compiler.compile_with_warnings(
            sys_inputs=inputs | {"orders": json.dumps(orders)}, format="pdf"
        )
        reported = json.loads(compiler.query("<with-figures>", field="value"))
        sections = [Section(**section) for section in reported]
        found = best_orders(sections, orders, settled)
        if orders == found:
            return orders
        # What comes before the first change lies where it was measured, and stays as it is.
        unchanged = [orders.get(section.name) == found[section.name] for section in sections]
        settled = max(settled + 1, unchanged.index(False))
        orders = found
    print(
        f"{PAPER.name}: the order of the figures had not settled after {MOST_PASSES} typesettings; "
        "the last one is kept",
        file=sys.stderr,
    )
    return orders
