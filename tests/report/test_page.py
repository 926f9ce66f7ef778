"""The page for a browser: complete, offline, with tables that can be sorted."""

from html.parser import HTMLParser

import pytest

from polyrepro.report.page import interactive

VOID = {"meta", "img", "br", "link", "hr", "input", "col", "wbr"}


class Page(HTMLParser):
    """Counts elements, checks that they are closed, and collects addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.counts: dict[str, int] = {}
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_style_and_script_are_added_once():
    page = interactive("<html><head></head><body><p>x</p></body></html>")
    counts = Page(page).counts
    assert counts["style"] == counts["script"] == 1
    with pytest.raises(ValueError, match="no single </head>"):
        interactive("<body></body>")
