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
  const rows = [...table.tHead.rows].map(row =>
    [...row.cells].flatMap(head => [head, ...Array(head.colSpan - 1).fill(null)]));
  return rows[0].map((_, column) => {
    const head = rows.map(row => row[column]).findLast(head => head?.textContent.trim());
    if (!head) return null;
    const button = head.querySelector("button");
    return {
      head: head.textContent.trim(), column,
      states: [1, 2].map(() => { button.click(); return rowsOf(table); }),
    };
  }).filter(Boolean);
});
seen.numbers = [...document.querySelectorAll("table")].map(table => [...table.tBodies[0].rows].map(
  row => [...row.cells].map(cell => [cell.textContent, cell.classList.contains("number")])));
seen.images = [...document.images].map(image => {
  const widths = [image.clientWidth];
  for (const key of ["Enter", " "]) {
    image.dispatchEvent(new KeyboardEvent("keydown", {key}));
    widths.push(image.clientWidth);
  }
  for (const _ of [1, 2]) { image.click(); widths.push(image.clientWidth); }
  return {loaded: image.naturalWidth > 0, widths, alt: image.alt};
});
seen.links = [...document.querySelectorAll("a[href]")].map(link => link.getAttribute("href"));
seen.targets = [...document.querySelectorAll("[id]")].map(element => element.id);
seen.resources = performance.getEntriesByType("resource").map(entry => entry.name);
seen.captions = [...document.querySelectorAll("figure")].map(
  figure => figure.querySelector("figcaption")?.textContent ?? "");
const frame = document.createElement("iframe");
document.body.append(frame);
const copy = document.documentElement.cloneNode(true);
for (const script of copy.querySelectorAll("script")) script.remove();
frame.contentDocument.write(copy.outerHTML);
const root = frame.contentDocument.documentElement;
seen.wide = [320, 390, 820, 1440].map(width => {
  frame.style.width = `${width}px`;
  return root.scrollWidth - root.clientWidth;
});
seen.commands = [...document.querySelectorAll("code")].map(code => code.textContent);
seen.outline = [...document.querySelectorAll("h1, h2, h3")].map(head => Number(head.tagName[1]));
seen.contents = [...document.querySelectorAll("nav a")].map(link => link.textContent);
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
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--window-size=1200,900",
    ]
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


def test_the_text_is_no_wider_than_a_phone_a_tablet_or_a_desk(seen):
    assert seen["wide"] == [0, 0, 0, 0]


def sort_key(text):
    """Numbers come before words, which a browser compares by their UTF-16; a dash says nothing."""
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
    texts = [row[column] for row in spread if row[column] not in ("", "\N{EN DASH}")]
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
        small, *by_key, large, again = image["widths"]
        assert image["loaded"] and image["alt"]
        assert large > 1.5 * small > 300 and again == small
        assert by_key == [large, small], "Enter and the space bar do what a click does"
    assert len({image["alt"] for image in seen["images"]}) == len(seen["images"])


def test_figures_and_tables_say_what_they_show(seen):
    assert all(re.match(r"(Figure|Table)\s\d+: \w", caption) for caption in seen["captions"])


def test_columns_of_numbers_are_aligned_at_the_right(seen):
    """A dash among them does not make them words."""
    cells = [cell for table in seen["numbers"] for row in table for cell in row]
    for text, aligned in cells:
        if re.fullmatch(r"[+\N{MINUS SIGN}]\d+\.\d+( \((verified|re-run)\))?", text):
            assert aligned, text


def test_commands_are_copied_without_characters_that_nobody_sees(seen):
    assert any("snakemake" in command for command in seen["commands"])
    assert all(command.isascii() for command in seen["commands"] if "snakemake" in command)


def test_headings_make_an_outline_and_the_contents_lead_to_them(seen):
    first, *others = seen["outline"]
    assert first == 1
    assert all(b <= a + 1 and b > 1 for a, b in zip(seen["outline"], others, strict=False))
    assert len(seen["contents"]) == len(others) - len(["Abstract", "Contents"])


def test_numbers_lead_to_the_records_of_their_runs(seen, plan):
    """And every link leads to something."""
    beside = {link for link in seen["links"] if not link.startswith("#")}
    folders = {f"runs/{run.id.rpartition('/')[0]}/" for run in plan.runs}
    assert beside == folders | {"claims.csv"}
    assert (Path(plan.settings.results) / "claims.csv").exists()
    assert {link[1:] for link in seen["links"] if link.startswith("#")} <= set(seen["targets"])
