// Columns of a row with colspan spread out; an empty cell says nothing.
const spread = row => [...row.cells].flatMap(cell =>
  [cell, ...Array(cell.colSpan - 1).fill(null)]);
const text = cell => cell ? cell.textContent.trim().replaceAll("\u2212", "-") : "";
const numeric = /^[+-]?[\d,]*\.?\d+/;
// Also `a to b` and `a \u00b1 b`.
const number = /^[+-]?[\d,.]+([ a-z\u00b1]+[+-]?[\d,.]+)?$/;
const key = of => {
  const found = of.match(numeric);
  return found ? parseFloat(found[0].replaceAll(",", "")) : of;
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
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (!body || !table.tHead) continue;
  const heads = spread(table.tHead.rows[table.tHead.rows.length - 1]);
  heads.forEach((head, column) => {
    if (!head || !text(head)) return;
    head.classList.add("sortable");
    head.tabIndex = 0;
    head.addEventListener("click", () => sort(table, head, column));
    head.addEventListener("keydown", event => event.key === "Enter" && head.click());
  });
  heads.forEach((head, column) => {
    const cells = [...body.rows].map(row => spread(row)[column]).filter(cell => cell);
    const shown = cells.filter(cell => number.test(text(cell)));
    if (2 * shown.length <= cells.filter(text).length) return;
    const digits = cell => (text(cell).match(/\.(\d+)$/) ?? ["", ""])[1].length;
    const most = Math.max(...shown.map(digits));
    for (const cell of [head, ...cells]) cell?.classList.add("number");
    for (const cell of shown) {
      const missing = most - digits(cell);
      cell.dataset.pad = (digits(cell) || !missing ? "" : ".") + "0".repeat(missing);
    }
  });
}
for (const image of document.querySelectorAll("figure img"))
  image.addEventListener("click", () => image.classList.toggle("large"));
