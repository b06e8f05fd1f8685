"use strict";
// Tables that sort, the search box, the slider of minimum confidence.
(function () {
  // Paper is light, whatever the screen is.
  addEventListener("beforeprint", function () { document.documentElement.classList.add("printing"); });
  addEventListener("afterprint", function () { document.documentElement.classList.remove("printing"); });

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

  // Suggestions while one types. On the map a choice flies there; elsewhere it opens the model's page.
  const box = document.getElementById("q"), hits = document.getElementById("hits");
  if (box) {
    const onMap = document.querySelector(".map") !== null;
    let waiting = 0, found = [], at = -1, asked = 0;
    const show = function () {
      hits.replaceChildren(...found.map(function (hit, place) {
        const item = document.createElement("li"), note = document.createElement("span");
        item.id = "hit-" + place;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", String(place === at));
        item.textContent = hit.id;
        const downloads = typeof hit.downloads === "number" ? hit.downloads.toLocaleString("en") : hit.downloads;
        note.textContent = hit.author ? "author" : hit.known ? hit.known : [hit.license || "states no licence", hit.pipeline_tag || "no task", (downloads || "no") + " downloads"].join(" · ");
        item.append(note);
        item.addEventListener("pointerdown", function (event) { event.preventDefault(); take(hit); });
        return item;
      }));
      hits.hidden = found.length === 0;
      box.setAttribute("aria-expanded", String(!hits.hidden));
      if (at >= 0) box.setAttribute("aria-activedescendant", "hit-" + at); else box.removeAttribute("aria-activedescendant");
    };
    const close = function () { found = []; at = -1; show(); };
    const take = function (hit) {
      box.value = hit.id;
      close();
      if (hit.author) location.href = "/author/" + encodeURIComponent(hit.id);
      else if (onMap) { ATLAS.goTo(hit.id, true, hit.at); document.getElementById("chart").focus(); } else location.href = "/models/" + hit.id.split("/").map(encodeURIComponent).join("/");
    };
    const ask = async function (text) {
      const number = ++asked;
      let answer = [];
      if (onMap && ATLAS.exported) answer = await ATLAS.search(text);
      else {
        const reply = await fetch("/search?format=json&q=" + encodeURIComponent(text));
        if (reply.ok) {
          const page = await reply.json();
          answer = page.found.slice(0, 12).concat(page.authors.map(function (name) { return { id: name, author: true }; }));
        }
      }
      return number === asked ? answer : null;
    };
    box.addEventListener("input", function () {
      clearTimeout(waiting);
      if (box.value.trim().length < 2) { close(); return; }
      waiting = setTimeout(async function () {
        const answer = await ask(box.value.trim());
        if (answer === null) return;
        found = answer.slice(0, 15);
        at = -1;
        show();
      }, 120);
    });
    box.addEventListener("keydown", function (event) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step && found.length) { event.preventDefault(); at = (at + step + found.length) % found.length; show(); document.getElementById("hit-" + at).scrollIntoView({ block: "nearest" }); }
      else if (event.key === "Escape") close();
    });
    box.addEventListener("blur", close);
    box.form.addEventListener("submit", async function (event) {
      clearTimeout(waiting);
      if (at >= 0) { event.preventDefault(); take(found[at]); return; }
      if (!onMap) return;
      event.preventDefault();
      const text = box.value.trim();
      const answer = text ? await ask(text) : [];
      if (answer && answer.length) take(answer[0]);
      else if (text) document.getElementById("state").textContent = "No model has this name.";
    });
    document.addEventListener("keydown", function (event) {
      if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
        event.preventDefault();
        box.focus();
      }
    });
  }

  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", async function () {
      await navigator.clipboard.writeText(button.parentElement.nextElementSibling.textContent);
      button.textContent = "Copied";
    });
  }

  const self = document.querySelector("g.box.self");
  if (self) {
    const frame = self.closest(".scroll");
    const place = self.getBoundingClientRect(), seen = frame.getBoundingClientRect();
    frame.scrollTop += place.top - seen.top - seen.height / 2;
    // A narrow frame shows the end of the box, and what came of it; or what it came from.
    const came = Array.from(document.querySelectorAll("g.box:not(.self)")).some(function (box) { return box.getBoundingClientRect().left > place.right; });
    const narrow = seen.width < 3 * place.width;
    frame.scrollLeft += narrow ? (came ? place.right - seen.left - seen.width * 0.15 : place.left - seen.left - seen.width * 0.85) : place.left - seen.left - seen.width / 3;
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
