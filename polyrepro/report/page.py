"""The report as one page for a browser: as Typst makes it, with a look and sortable tables.

It needs no network: figures lie in the file. Numbers link to tables and records beside it.
"""

STYLE = """
body { font: 17px/1.5 "STIX Two Text", STIXGeneral, "Times New Roman", serif; max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; color: #111; background: #fff; }
h1 { text-align: center; }
table { border-collapse: collapse; border-block: 1.5px solid #111; font-size: 0.86em; }
th, td { padding: 0.15rem 0.5rem; text-align: left; vertical-align: top; }
thead { border-bottom: 1px solid #111; }
th.sortable { cursor: pointer; }
th.sortable::after { content: " \\2195"; color: #777; }
figure { margin: 1.5rem 0; overflow-x: auto; }
figcaption { font-size: 0.9em; margin: 0.4rem 0; }
img { max-width: 100%; height: auto; cursor: zoom-in; }
img.large { max-width: none; cursor: zoom-out; }
"""

SCRIPT = """
const key = cell => {
  const text = cell.textContent.trim().replaceAll("\u2212", "-");
  const number = parseFloat(text);
  return Number.isNaN(number) ? text : number;
};
const order = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0)
  : typeof a === "number" ? -1 : 1;
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  // Rows that belong together stay together.
  if (!body || !table.tHead || table.querySelector("td[colspan]")) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    head.classList.add("sortable");
    head.addEventListener("click", () => {
      const sign = head.dataset.sign = head.dataset.sign === "1" ? "-1" : "1";
      const rows = [...body.rows];
      rows.sort((a, b) => sign * order(key(a.cells[column]), key(b.cells[column])));
      body.append(...rows);
    });
  });
}
for (const image of document.images)
  image.addEventListener("click", () => image.classList.toggle("large"));
"""


def interactive(page: str) -> str:
    """A page of Typst's with style and script added.

    Raises:
        ValueError: if it has no head and body to add them to.
    """
    for mark in ("</head>", "</body>"):
        if page.count(mark) != 1:
            raise ValueError(f"the page that Typst made has no single {mark}")
    page = page.replace("</head>", f"<style>{STYLE}</style></head>")
    return page.replace("</body>", f"<script>{SCRIPT}</script></body>")
