"""The report as one page for a browser: as Typst makes it, with a look and sortable tables.

It needs no network: figures lie in the file. Numbers link to tables and records beside it.
"""

from pathlib import Path

from polyrepro.report.drawings import with_small_drawings

FOLDER = Path(__file__).parents[2] / "report"
STYLE, SCRIPT = FOLDER / "page.css", FOLDER / "page.js"


def interactive(page: str) -> str:
    """A page of Typst's with style and script added.

    Raises:
        ValueError: if it has no head and body to add them to.
    """
    for mark in ("</head>", "</body>"):
        if page.count(mark) != 1:
            raise ValueError(f"the page that Typst made has no single {mark}")
    # Where a line may end inside a command; a character there would be copied with it.
    page = with_small_drawings(page).replace("\N{ZERO WIDTH SPACE}", "<wbr>")
    page = page.replace("</head>", f"<style>\n{STYLE.read_text()}</style></head>")
    return page.replace("</body>", f"<script>\n{SCRIPT.read_text()}</script></body>")
