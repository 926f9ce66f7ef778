"""The page, opened in a real browser: what a click does, and what it must not do.

A probe is added to a copy of the page. It clicks, and writes what it saw into the document, which
the browser then prints.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
WATCH = """<script>
window.seen = {errors: []};
window.addEventListener("error", event => seen.errors.push(event.message ?? "no such file"), true);
console.error = (...words) => seen.errors.push(words.join(" "));
</script>"""
PROBE = """<script>
const rowsOf = table => [...table.tBodies[0].rows].map(row =>
  [...row.cells].map(cell => [cell.textContent.trim(), cell.colSpan]));
seen.tables = [...document.querySelectorAll("table")].map(table => {
  const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  const columns = heads.flatMap(head => [head, ...Array(head.colSpan - 1).fill(null)]);
  return columns.map((head, column) => [head, column]).filter(([head]) => head?.textContent.trim())
    .map(([head, column]) => ({
      head: head.textContent.trim(), column,
      states: [1, 2].map(() => { head.click(); return rowsOf(table); }),
    }));
});
seen.images = [...document.images].map(image => {
  const widths = [image.clientWidth];
  for (const _ of [1, 2]) { image.click(); widths.push(image.clientWidth); }
  return {loaded: image.naturalWidth > 0, widths, alt: image.alt};
});
seen.links = [...document.querySelectorAll("a[href]")].map(link => link.getAttribute("href"));
seen.targets = [...document.querySelectorAll("[id]")].map(element => element.id);
seen.resources = performance.getEntriesByType("resource").map(entry => entry.name);
seen.captions = [...document.querySelectorAll("figure")].map(
  figure => figure.querySelector("figcaption")?.textContent ?? "");
seen.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
const result = document.createElement("pre");
result.id = "seen";
result.textContent = JSON.stringify(seen);
document.body.replaceChildren(result);
</script>"""

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason=f"none of {', '.join(BROWSERS)} is installed; it would open the page"
)


@pytest.fixture(scope="module")
def seen(page, tmp_path_factory):
    """What the probe saw on a copy of the page beside it."""
    text = page.read_text().replace("<head>", f"<head>{WATCH}", 1)
    probed = page.with_name("probed.html")
    probed.write_text(text.replace("</body>", f"{PROBE}</body>", 1))
    profile = tmp_path_factory.mktemp("profile")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,900"]
    options += [f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom"]
    options += ["--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking"]
    command = [BROWSER, *options, probed.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    found = re.search('<pre id="seen">(.*)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found[1]))


def test_nothing_goes_wrong_and_nothing_is_fetched(seen):
    assert seen["errors"] == []
    assert [name for name in seen["resources"] if not name.startswith("data:")] == []
    assert seen["wide"] == 0, "the text is no wider than the window"


def sort_key(text):
    """Numbers come before words, which a browser compares by their UTF-16."""
    text = text.replace("\N{MINUS SIGN}", "-")
    number = re.match(r"[+-]?[\d,]*\.?\d+", text)
    return (0, float(number[0].replace(",", ""))) if number else (1, text.encode("utf-16-be"))


def groups_of(rows):
    """Where rows have joined cells, each row like the first one begins a group."""
    joined = [any(span > 1 for _, span in row) for row in rows]
    groups = []
    for row, of_row in zip(rows, joined, strict=True):
        if not any(joined) or of_row == joined[0]:
            groups.append([])
        groups[-1].append(row)
    return groups


def column_of(group, column):
    """The first number in a column of a group, or the first word."""
    spread = [[part for text, span in row for part in [text, *[""] * (span - 1)]] for row in group]
    texts = [row[column] for row in spread if row[column]]
    return next((text for text in texts if sort_key(text)[0] == 0), texts[0] if texts else "")


def test_every_table_is_sorted_by_every_column_both_ways_and_keeps_its_groups(seen):
    assert len(seen["tables"]) > 8 and all(seen["tables"])
    for table in seen["tables"]:
        whole = sorted(map(json.dumps, groups_of(table[0]["states"][0])))
        for clicked in table:
            for state, reverse in zip(clicked["states"], (False, True), strict=True):
                groups = groups_of(state)
                assert sorted(map(json.dumps, groups)) == whole
                texts = [column_of(group, clicked["column"]) for group in groups]
                keys = [sort_key(text) for text in texts if text]
                numbers, words = ([key for key in keys if key[0] == kind] for kind in (0, 1))
                assert keys == numbers + words, clicked["head"]
                for part in (numbers, words):
                    assert part == sorted(part, reverse=reverse), clicked["head"]


def test_figures_are_shown_and_zoom(seen):
    assert len(seen["images"]) >= 4
    for image in seen["images"]:
        small, large, again = image["widths"]
        assert image["loaded"] and image["alt"]
        assert large > 1.5 * small > 300 and again == small


def test_figures_and_tables_say_what_they_show(seen):
    assert all(re.match(r"(Figure|Table)\s\d+: \w", caption) for caption in seen["captions"])


def test_numbers_lead_to_the_records_of_their_runs(seen, plan):
    """And every link leads to something."""
    beside = {link for link in seen["links"] if not link.startswith("#")}
    folders = {f"runs/{run.id.rpartition('/')[0]}/" for run in plan.runs}
    assert beside == folders | {"claims.csv"}
    assert (Path(plan.settings.results) / "claims.csv").exists()
    assert {link[1:] for link in seen["links"] if link.startswith("#")} <= set(seen["targets"])
