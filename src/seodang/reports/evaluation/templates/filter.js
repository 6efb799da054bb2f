"use strict";
// Filters the items of the page. Without the script the page shows all of them.
(() => {
  const form = document.getElementById("filter");
  const items = Array.from(document.querySelectorAll("#items > .item"));
  if (!form || !items.length) return;
  const page = 20;
  const more = document.getElementById("more");
  const counter = document.getElementById("found");
  let limit = page;
  const fits = (item) => ["kind", "task", "language"].every((name) => !form.elements[name].value || form.elements[name].value === item.dataset[name]);
  const show = () => {
    const matching = items.filter(fits);
    const visible = new Set(matching.slice(0, limit));
    for (const item of items) item.hidden = !visible.has(item);
    counter.textContent = `${visible.size} / ${matching.length}`;
    more.hidden = visible.size === matching.length;
  };
  form.addEventListener("change", () => { limit = page; show(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => { limit += page; show(); });
  form.hidden = false;
  show();
})();
