"use strict";
// Filters the items that the page already holds. Without it all of them are there to read.
(() => {
  const form = document.getElementById("filter");
  const items = Array.from(document.querySelectorAll("#items > .item"));
  if (!form || !items.length) return;
  const page = 20;
  const more = document.getElementById("more");
  const found = document.getElementById("found");
  let most = page;
  const fits = (item) => ["kind", "task", "language"].every((name) => !form.elements[name].value || form.elements[name].value === item.dataset[name]);
  const show = () => {
    const chosen = items.filter(fits);
    const seen = new Set(chosen.slice(0, most));
    for (const item of items) item.hidden = !seen.has(item);
    found.textContent = `${seen.size} / ${chosen.length}`;
    more.hidden = seen.size === chosen.length;
  };
  form.addEventListener("change", () => { most = page; show(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => { most += page; show(); });
  form.hidden = false;
  show();
})();
