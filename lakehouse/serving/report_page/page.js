
"use strict";
// Without this script everything is shown.
const filter = document.getElementById("filter");
const field = filter.querySelector("input");
const lines = document.querySelectorAll("[data-about]");
filter.hidden = false;
field.addEventListener("input", () => {
  const wanted = field.value.trim().toLowerCase();
  let shown = 0;
  for (const line of lines) {
    line.hidden = !line.dataset.about.toLowerCase().includes(wanted);
    shown += line.hidden ? 0 : 1;
  }
  filter.querySelector("output").textContent = wanted ? `${shown} of ${lines.length}` : "";
});
// What one follows a link to must be seen.
addEventListener("hashchange", () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.hidden) {
    field.value = "";
    field.dispatchEvent(new Event("input"));
    target.scrollIntoView();
  }
});
