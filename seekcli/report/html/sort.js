"use strict";
// A click on a heading sorts the rows below it; a second click turns the order round. Group headings go while sorted.
document.querySelectorAll("table.sortable").forEach((table) => {
  const body = table.tBodies[0];
  const original = Array.from(body.rows);
  table.querySelectorAll("thead th button").forEach((button, column) => {
    button.addEventListener("click", () => {
      const head = button.parentElement;
      const order = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort") || "none"];
      table.querySelectorAll("thead th").forEach((one) => one.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", order);
      if (order === "none") { body.replaceChildren(...original); return; }
      const value = (row) => {
        const cell = row.cells[column];
        const text = cell ? (cell.dataset.value || cell.textContent).trim() : "";
        const number = parseFloat(text.replace(/[<>,+]/g, ""));
        return Number.isNaN(number) ? text : number;
      };
      const rows = original.filter((row) => !row.classList.contains("heading"));
      rows.sort((one, other) => {
        const [a, b] = [value(one), value(other)];
        const both = typeof a === "number" && typeof b === "number";
        return (both ? a - b : String(a).localeCompare(String(b))) * (order === "ascending" ? 1 : -1);
      });
      body.replaceChildren(...rows);
    });
  });
});
// What is folded away is printed all the same.
const folded = () => document.querySelectorAll("details.printed:not([open])");
let opened = [];
addEventListener("beforeprint", () => { opened = Array.from(folded()); opened.forEach((one) => { one.open = true; }); });
addEventListener("afterprint", () => { opened.forEach((one) => { one.open = false; }); opened = []; });
