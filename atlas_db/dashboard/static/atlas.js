"use strict";
// Tables that sort, the search box, the slider of minimum confidence.
(function () {
  for (const table of document.querySelectorAll("table.sortable")) {
    table.querySelectorAll("thead th").forEach(function (head, column) {
      head.querySelector("button").addEventListener("click", function () {
        const falling = head.getAttribute("aria-sort") === "descending";
        const body = table.tBodies[0];
        const key = function (row) {
          const cell = row.cells[column];
          return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
        };
        const rows = Array.from(body.rows).sort(function (a, b) {
          const [left, right] = [key(a), key(b)];
          const order = typeof left === "number" && typeof right === "number" ? left - right : String(left).localeCompare(String(right));
          return falling ? order : -order;
        });
        for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", falling ? "ascending" : "descending");
        body.append(...rows);
      });
    });
  }

  const box = document.getElementById("q");
  if (box) {
    let waiting = 0;
    box.addEventListener("input", function () {
      clearTimeout(waiting);
      if (box.value.length < 2) return;
      waiting = setTimeout(async function () {
        const answer = await fetch("/search?format=json&q=" + encodeURIComponent(box.value));
        if (!answer.ok) return;
        const found = await answer.json();
        document.getElementById("found").replaceChildren(...found.models.map(function (id) {
          const option = document.createElement("option");
          option.value = id;
          return option;
        }));
      }, 150);
    });
    document.addEventListener("keydown", function (event) {
      if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
        event.preventDefault();
        box.focus();
      }
    });
  }

  const self = document.querySelector("g.box.self");
  if (self) {
    const frame = self.closest(".scroll");
    const place = self.getBoundingClientRect(), seen = frame.getBoundingClientRect();
    frame.scrollTop += place.top - seen.top - seen.height / 2;
    frame.scrollLeft += place.left - seen.left - seen.width / 3;
  }

  const slider = document.getElementById("min-confidence");
  if (slider) {
    const follow = function () {
      const minimum = Number(slider.value);
      document.getElementById("min-confidence-value").textContent = minimum.toFixed(2);
      const reached = new Set();
      const edges = Array.from(document.querySelectorAll("path.edge[data-child]"));
      for (const edge of edges) {
        const kept = Number(edge.dataset.confidence) >= minimum;
        edge.classList.toggle("faded", !kept);
        if (kept) { reached.add(edge.dataset.child); reached.add(edge.dataset.parent); }
      }
      for (const group of document.querySelectorAll("g.box")) {
        group.classList.toggle("faded", !reached.has(group.dataset.id) && !group.classList.contains("self"));
      }
    };
    slider.addEventListener("input", follow);
    follow();
  }
})();
