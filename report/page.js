// Columns of a row with colspan spread out; an empty cell says nothing.
const spread = row => [...row.cells].flatMap(cell =>
  [cell, ...Array(cell.colSpan - 1).fill(null)]);
const text = cell => cell ? cell.textContent.trim().replaceAll("\u2212", "-") : "";
const numeric = /^[+-]?[\d,]*\.?\d+/;
// Also `a to b`, `a \u00b1 b` and a number with its status.
const number = /^[+-]?[\d,.]+([ a-z\u00b1]+[+-]?[\d,.]+)?( \([a-z -]+\))?$/;
const missing = "\u2013";
const key = of => {
  const found = of.match(numeric);
  return found ? parseFloat(found[0].replaceAll(",", "")) : of === missing ? "" : of;
};
// Numbers first, then words; rows that have neither stay at the end.
const order = (a, b, sign) => typeof a === typeof b
  ? (a === b ? 0 : a === "" ? 1 : b === "" ? -1 : a < b ? -sign : sign)
  : typeof a === "number" ? -1 : 1;
// Where rows have joined cells, each row like the first one begins a group, which stays together.
const groupsOf = body => {
  const joined = row => [...row.cells].some(cell => cell.colSpan > 1);
  const rows = [...body.rows], grouped = rows.some(joined), groups = [];
  for (const row of rows)
    if (!grouped || joined(row) === joined(rows[0])) groups.push([row]);
    else groups.at(-1).push(row);
  return groups;
};
const keyOf = (group, column) => {
  const found = group.map(row => text(spread(row)[column])).filter(Boolean);
  return key(found.find(of => numeric.test(of)) ?? found[0] ?? "");
};
const sort = (table, head, column) => {
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.querySelectorAll("th")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const body = table.tBodies[0];
  const groups = groupsOf(body).map(rows => ({rows, key: keyOf(rows, column)}));
  groups.sort((a, b) => order(a.key, b.key, up ? 1 : -1));
  body.append(...groups.flatMap(group => group.rows));
};
// The lowest head above a column that says something; one above several is that of the first.
const headsOf = table => {
  const rows = [...table.tHead.rows].map(spread);
  return rows[0].map((_, column) => rows.map(row => row[column])
    .filter(text).at(-1) ?? null);
};
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (!body || !table.tHead) continue;
  headsOf(table).forEach((head, column) => {
    const cells = [...body.rows].map(row => spread(row)[column])
      .filter(cell => cell?.colSpan === 1);
    const said = cells.filter(cell => text(cell) && text(cell) !== missing);
    const shown = said.filter(cell => number.test(text(cell)));
    if (head) {
      const button = document.createElement("button");
      button.append(...head.childNodes);
      head.append(button);
      head.classList.add("sortable");
      head.addEventListener("click", () => sort(table, head, column));
    }
    if (2 * shown.length <= said.length) return;
    const plain = cell => text(cell).replace(/ \(.*/, "");
    const digits = cell => (plain(cell).match(/\.(\d+)$/) ?? ["", ""])[1].length;
    const most = Math.max(...shown.map(digits));
    for (const cell of [head, ...cells]) cell?.classList.add("number");
    for (const cell of shown) {
      const lacking = most - digits(cell);
      if (plain(cell) === text(cell))
        cell.dataset.pad = (digits(cell) || !lacking ? "" : ".") + "0".repeat(lacking);
    }
  });
}
// The point that was clicked stays under the pointer.
const zoom = (image, across) => {
  const figure = image.closest("figure"), left = figure.scrollLeft;
  const share = (across + left) / image.clientWidth;
  const large = image.classList.toggle("large");
  image.setAttribute("aria-pressed", large);
  figure.scrollLeft = share * image.clientWidth - across;
};
for (const image of document.querySelectorAll("figure img")) {
  image.tabIndex = 0;
  image.setAttribute("role", "button");
  image.setAttribute("aria-pressed", false);
  image.title = "Click or press Enter to zoom";
  image.addEventListener("click", event =>
    zoom(image, event.clientX - image.closest("figure").getBoundingClientRect().left));
  image.addEventListener("keydown", event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    zoom(image, 0);
  });
}
