"use strict";
const steps = JSON.parse(document.getElementById("steps").textContent);
const panel = document.getElementById("details");
const bars = [...document.querySelectorAll("#drawing g[data-step]")];
for (const bar of bars) {
  bar.querySelector("title").remove();
  const lines = steps[bar.dataset.step];
  bar.addEventListener("mousemove", (event) => {
    panel.textContent = lines.join("\n");
    panel.hidden = false;
    const left = Math.min(event.clientX + 14, innerWidth - panel.offsetWidth - 8);
    const below = event.clientY + 14 + panel.offsetHeight < innerHeight;
    panel.style.left = Math.max(left, 8) + "px";
    panel.style.top = (below ? event.clientY + 14 : Math.max(event.clientY - panel.offsetHeight - 10, 8)) + "px";
  });
  bar.addEventListener("mouseleave", () => { panel.hidden = true; });
}
document.getElementById("filter").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const bar of bars) {
    const found = steps[bar.dataset.step].some((line) => line.toLowerCase().includes(wanted));
    bar.classList.toggle("dim", !found);
  }
});
