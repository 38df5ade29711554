// Comfort on top of plain forms: everything works without it.
"use strict";

// A form is sent once, however often somebody clicks.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 3000);
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// Keys: "/" goes to the scan box; with Alt: the keys that the buttons name.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (event.key === "/" && !typing) {
    const scan = document.querySelector("[data-scan]");
    if (scan) {
      event.preventDefault();
      scan.focus();
      scan.select();
    }
  }
  if (event.key === "Escape" && typing) typing.blur();
});

// One box ticks all others of its table.
document.addEventListener("change", (event) => {
  const all = event.target.closest("[data-all]");
  if (all) {
    for (const box of all.closest("table").querySelectorAll("tbody input[type=checkbox]")) box.checked = all.checked;
  }
  const filter = event.target.closest("[data-auto]");
  if (filter) filter.form.requestSubmit();
});
