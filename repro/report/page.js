"use strict";

// A cell's `data-sort` is its number, or empty where nothing is known; without one its text counts.
const collator = new Intl.Collator("en", { numeric: true });

function keyOf(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.sort === "" || cell.textContent.trim() === "") return null;
  return cell.dataset.sort === undefined ? cell.textContent.trim() : Number(cell.dataset.sort);
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return collator.compare(String(a), String(b));
}

function sort(heading) {
  const table = heading.closest("table");
  const descending = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const body = table.tBodies[0];
  const lines = [...body.rows].map((row) => ({ row, key: keyOf(row, heading.cellIndex) }));
  // what is unknown stays at the end, whichever way the others go
  lines.sort((a, b) => (a.key === null) - (b.key === null) || (descending ? -1 : 1) * compare(a.key, b.key));
  body.append(...lines.map((line) => line.row));
}

for (const button of document.querySelectorAll("table.sortable thead button")) {
  button.addEventListener("click", () => sort(button.closest("th")));
}

// A link to a record opens it.
function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
  if (target) target.scrollIntoView();
}
window.addEventListener("hashchange", open);
open();

// Paper cannot be opened: print every record.
window.addEventListener("beforeprint", () => {
  for (const record of document.querySelectorAll("details")) record.open = true;
});

// On a narrow screen the contents would hide the page.
if (window.matchMedia("(max-width: 70rem)").matches) document.querySelector("nav details").open = false;
