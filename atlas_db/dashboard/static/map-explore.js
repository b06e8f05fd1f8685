"use strict";
// What is shown of the map: colours, filters with counts, months, a brush, a table of what is left, and an address for all of it.
(function (atlas) {
  const FACETS = ["license", "verdict", "task", "relation", "status", "downloads", "month"];
  const LISTED = 200, EXPORTED = 100000;
  const by = function (id) { return document.getElementById(id); };
  const chosen = new Map(FACETS.map(function (name) { return [name, new Set()]; }));
  const AREA = 1 << FACETS.length;
  let counts = {}, matching = 0, upTo = null, playing = 0, writing = 0, restored = false;
  atlas.paints = 0;
  atlas.filtered = false;

  // A bit of each model a facet that leaves it out; counts beside a facet leave that facet itself aside.
  function count() {
    const layers = FACETS.map(atlas.layer);
    const kept = layers.map(function (layer, at) {
      const wanted = chosen.get(FACETS[at]);
      return Uint8Array.from(layer.legend, function (_, code) { return wanted.size === 0 || wanted.has(code) ? 1 : 0; });
    });
    if (upTo !== null) kept[6] = kept[6].map(function (_, code) { return code > 0 && code <= upTo ? 1 : 0; });
    atlas.filtered = kept.some(function (each) { return each.includes(0); }) || Boolean(atlas.brush);
    const found = layers.map(function (layer) { return new Int32Array(layer.legend.length); });
    matching = 0;
    for (let model = 0; model < atlas.loaded; model++) {
      let fails = 0;
      for (let at = 0; at < layers.length; at++) if (!kept[at][atlas.code(model, layers[at])]) fails |= 1 << at;
      if (atlas.brush && !inside(model)) fails |= AREA;
      atlas.fails[model] = fails;
      if (!fails) matching++;
      for (let at = 0; at < layers.length; at++) if ((fails & ~(1 << at)) === 0) found[at][atlas.code(model, layers[at])]++;
    }
    FACETS.forEach(function (name, at) { counts[name] = found[at]; });
  }
  function inside(model) {
    const [x, y] = atlas.spot(model), box = atlas.brush;
    return x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3];
  }

  function facets() {
    const shown = atlas.shown.name;
    by("facets").replaceChildren(...FACETS.filter(function (name) { return name !== "month"; }).map(function (name) {
      const layer = atlas.layer(name), group = document.createElement("details"), head = document.createElement("summary");
      group.className = "facet";
      group.dataset.facet = name;
      group.open = name === shown || chosen.get(name).size > 0;
      head.textContent = layer.title;
      const list = document.createElement("ul");
      layer.legend.forEach(function (entry, code) {
        if (!entry.models) return;
        const item = document.createElement("li"), button = document.createElement("button");
        button.type = "button";
        button.dataset.code = code;
        button.innerHTML = '<svg width="14" height="14" aria-hidden="true"><rect width="14" height="14" rx="3"/></svg><span></span><b></b>';
        button.querySelector("rect").setAttribute("fill", name === shown ? entry.colour : "none");
        button.querySelector("rect").setAttribute("stroke", name === shown ? "none" : "currentColor");
        button.querySelector("span").textContent = entry.word;
        button.addEventListener("click", function () { toggle(name, code); });
        item.append(button);
        list.append(item);
      });
      group.append(head, list);
      return group;
    }));
  }
  function toggle(name, code) {
    const wanted = chosen.get(name);
    if (!wanted.delete(code)) wanted.add(code);
    if (name === "month") upTo = null;
    apply();
  }

  function months() {
    const layer = atlas.layer("month"), bars = by("bars");
    by("until").max = String(layer.legend.length - 1);
    bars.replaceChildren(...layer.legend.slice(1).map(function (entry, at) {
      const button = document.createElement("button"), bar = document.createElement("i"), part = document.createElement("b");
      button.type = "button";
      button.append(bar, part);
      button.addEventListener("click", function () { toggle("month", at + 1); });
      return button;
    }));
    by("ends").replaceChildren(...[layer.legend[1], layer.legend[layer.legend.length - 1]].filter(Boolean).map(function (entry) {
      const end = document.createElement("span");
      end.textContent = entry.word;
      return end;
    }));
  }

  function showCounts() {
    for (const group of by("facets").children) {
      for (const button of group.querySelectorAll("button")) {
        const number = counts[group.dataset.facet][button.dataset.code];
        button.querySelector("b").textContent = number.toLocaleString("en");
        button.setAttribute("aria-pressed", String(chosen.get(group.dataset.facet).has(Number(button.dataset.code))));
        button.classList.toggle("zero", number === 0);
      }
    }
    const legend = atlas.layer("month").legend, most = Math.max(1, ...legend.slice(1).map(function (entry) { return entry.models; }));
    Array.from(by("bars").children).forEach(function (button, at) {
      const entry = legend[at + 1], on = upTo !== null ? at + 1 <= upTo : chosen.get("month").has(at + 1);
      button.firstChild.style.height = (100 * entry.models / most) + "%";
      button.lastChild.style.height = (100 * counts.month[at + 1] / most) + "%";
      button.setAttribute("aria-pressed", String(on));
      button.title = entry.word + ": " + counts.month[at + 1].toLocaleString("en") + " models";
      button.setAttribute("aria-label", button.title);
    });
    by("bars").classList.toggle("chosen", upTo !== null || chosen.get("month").size > 0);
    by("until").value = String(upTo === null ? legend.length - 1 : upTo);
    by("month").textContent = upTo !== null ? "up to " + legend[upTo].word : [...chosen.get("month")].sort(function (a, b) { return a - b; }).map(function (code) { return legend[code].word; }).join(", ") || "all months";
    by("state").textContent = atlas.filtered ? matching.toLocaleString("en") + " of " + atlas.loaded.toLocaleString("en") + " models" : atlas.about.models.toLocaleString("en") + " models, placeholders included";
    by("clear").hidden = !atlas.filtered;
    by("found-models").hidden = true;
  }

  function apply() {
    count();
    showCounts();
    atlas.paints++;
    atlas.repaint();
    address();
  }

  // The address of what is shown: after the sign #, so that it works from a disk, too.
  function address() {
    if (!restored) return;
    clearTimeout(writing);
    writing = setTimeout(async function () {
      const query = new URLSearchParams(), camera = atlas.camera;
      const [x, y] = atlas.high ? [camera.y, camera.x] : [camera.x, camera.y];
      query.set("at", [x, y, camera.zoom].map(function (value) { return Number(value.toPrecision(5)); }).join(","));
      if (atlas.shown.name !== "license") query.set("colour", atlas.shown.name);
      for (const [name, codes] of chosen) if (codes.size) query.set(name, [...codes].map(function (code) { return atlas.layer(name).legend[code].word; }).join("|"));
      if (upTo !== null) query.set("until", atlas.layer("month").legend[upTo].word);
      if (atlas.brush) query.set("area", (atlas.high ? [1, 0, 3, 2] : [0, 1, 2, 3]).map(function (at) { return Number(atlas.brush[at].toPrecision(6)); }).join(","));
      if (atlas.opened) query.set("open", "1");
      if (atlas.grouping !== "task") query.set("sea", atlas.grouping);
      if (atlas.chosen >= 0) query.set("model", await atlas.name(atlas.chosen));
      history.replaceState(null, "", "#" + query);
    }, 200);
  }
  async function restore() {
    const query = new URLSearchParams(location.hash.slice(1));
    by("sea").value = query.get("sea") === "author" ? "author" : "task";
    await atlas.group(by("sea").value);
    const numbers = function (name) { return (query.get(name) || "").split(",").map(Number); };
    const layer = atlas.about.layers.find(function (each) { return each.name === query.get("colour"); });
    if (layer) colour(layer.name);
    for (const name of FACETS) {
      const words = (query.get(name) || "").split("|"), wanted = chosen.get(name);
      wanted.clear();
      atlas.layer(name).legend.forEach(function (entry, code) { if (words.includes(entry.word)) wanted.add(code); });
    }
    const until = atlas.layer("month").legend.findIndex(function (entry) { return entry.word === query.get("until"); });
    upTo = until > 0 ? until : null;
    const area = numbers("area");
    atlas.brush = area.length === 4 && area.every(Number.isFinite) ? (atlas.high ? [area[1], area[0], area[3], area[2]] : area) : null;
    atlas.opened = query.get("open") === "1";
    by("open").checked = atlas.opened;
    facets();
    count();
    showCounts();
    atlas.paints++;
    atlas.repaint();
    const at = numbers("at");
    restored = true;
    if (query.get("model")) goTo(query.get("model"), !query.get("at"));
    if (at.length === 3 && at.every(Number.isFinite) && at[2] > 0) atlas.aim(...(atlas.high ? [at[1], at[0]] : [at[0], at[1]]), at[2], true);
  }

  // Finds a model by name: by the server's answer, by the names on the map, else file by file.
  async function goTo(id, fly, position) {
    let model = position === undefined ? -1 : position;
    if (model < 0) {
      const named = atlas.named.find(function (name) { return name.text === id && ["family", "branch", "model"].includes(name.kind); });
      model = named ? named.first : await look(id);
    }
    if (model < 0) { by("state").textContent = "No model has this name."; return; }
    atlas.choose(model, fly !== false);
  }
  async function look(id) {
    for (let shard = 0; shard * atlas.about.shard < atlas.about.models; shard++) {
      const place = (await atlas.shard(shard)).indexOf(id);
      if (place >= 0) return shard * atlas.about.shard + place;
    }
    return -1;
  }
  atlas.goTo = goTo;
  // Names that contain a text, for an export: the file of each name is read in turn.
  atlas.search = async function (text) {
    const wanted = text.toLowerCase(), found = [], downloads = atlas.layer("downloads");
    // A space stands for any sign between words, or for none.
    const pattern = new RegExp(wanted.split(/\s+/u).map(function (word) { return word.replace(/[^\p{L}\p{N}]/gu, "\\$&"); }).join("[-_./ ]?"));
    for (let shard = 0; shard * atlas.about.shard < atlas.about.models && found.length < 400; shard++) {
      (await atlas.shard(shard)).forEach(function (id, place) {
        const model = shard * atlas.about.shard + place;
        if (model < atlas.loaded && pattern.test(id.toLowerCase())) found.push({ id: id, at: model, exact: id.toLowerCase() === wanted, rank: atlas.code(model, downloads) });
      });
    }
    found.sort(function (one, other) { return other.exact - one.exact || other.rank - one.rank || one.id.length - other.id.length; });
    return found.slice(0, 20).map(function (each) {
      return { id: each.id, at: each.at, license: atlas.word(each.at, "license"), pipeline_tag: atlas.word(each.at, "task"), downloads: atlas.word(each.at, "downloads") };
    });
  };

  const COLUMNS = ["model", "parent", "relation", "status", "license", "verdict", "task", "downloads", "month"];
  async function row(model) {
    const above = atlas.parent(model);
    const words = ["relation", "status", "license", "verdict", "task", "downloads", "month"].map(function (name) { return atlas.word(model, name); });
    return [await atlas.name(model), above < 0 ? "" : await atlas.name(above), ...words];
  }
  function matches(most) {
    const downloads = atlas.layer("downloads"), [left, top, right, bottom] = atlas.window();
    const found = [];
    for (let model = 0; model < atlas.loaded; model++) {
      if (atlas.fails[model]) continue;
      if (!atlas.filtered) { const [x, y] = atlas.spot(model); if (x < left || x > right || y < top || y > bottom) continue; }
      found.push(model);
    }
    found.sort(function (one, other) { return atlas.code(other, downloads) - atlas.code(one, downloads) || one - other; });
    return { number: found.length, models: found.slice(0, most) };
  }
  async function list() {
    const { number, models } = matches(LISTED);
    const rows = await Promise.all(models.map(row)), table = by("found-table");
    const cells = function (values, kind) {
      const line = document.createElement("tr");
      line.append(...values.map(function (value, at) {
        const cell = document.createElement(kind), page = at === 0 && kind === "td" ? atlas.page(value) : null;
        if (page) { const link = document.createElement("a"); link.href = page; link.textContent = value; cell.append(link); } else cell.textContent = value;
        return cell;
      }));
      return line;
    };
    table.tHead.replaceChildren(cells(COLUMNS, "th"));
    table.tBodies[0].replaceChildren(...rows.map(function (values) { return cells(values, "td"); }));
    by("found-title").textContent = number.toLocaleString("en") + (atlas.filtered ? " models match" : " models in the window") + (number > LISTED ? ", the " + LISTED + " most downloaded listed" : "");
    by("found-cypher").textContent = ":param ids => " + JSON.stringify(rows.map(function (values) { return values[0]; })) + ";\n" +
      "MATCH (m:Model) WHERE m.id IN $ids\nOPTIONAL MATCH (m)-[r:DERIVED_FROM]->(p:Model)\n" +
      "RETURN m.id, p.id, r.relation, r.status, m.license, m.audit_verdict, m.pipeline_tag, m.downloads, m.created_at\nORDER BY m.downloads DESC";
    by("found-models").hidden = false;
    by("found-models").scrollIntoView({ block: "nearest" });
  }
  async function download() {
    const { models } = matches(EXPORTED), lines = [COLUMNS.join(",")];
    // A spreadsheet takes a cell that begins with one of these as a formula (OWASP, "CSV Injection").
    const field = function (value) { const safe = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(value) ? "'" + value : value; return /[",\r\n]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe; };
    for (const model of models) lines.push((await row(model)).map(field).join(","));
    save(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }), "models.csv");
  }
  // The server writes Parquet; an export has none.
  async function parquet() {
    const address = "/download/models.parquet?counted=" + encodeURIComponent(atlas.frame.dataset.key);
    const reply = await fetch(address, { method: "POST", body: Uint32Array.from(matches(EXPORTED).models) });
    if (reply.ok) save(await reply.blob(), "models.parquet");
    else by("state").textContent = "The map was counted anew. Reload the page.";
  }
  function save(content, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(content);
    link.download = name;
    link.click();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 10000);
  }

  function colour(name) {
    atlas.shown = atlas.layer(name);
    by("layer").value = name;
  }
  function play() {
    const last = atlas.layer("month").legend.length - 1;
    if (playing) { clearInterval(playing); playing = 0; by("play").setAttribute("aria-pressed", "false"); return; }
    by("play").setAttribute("aria-pressed", "true");
    upTo = upTo === null || upTo >= last ? 1 : upTo;
    playing = setInterval(function () {
      chosen.get("month").clear();
      upTo++;
      if (upTo >= last) { upTo = null; play(); }
      apply();
    }, 350);
  }
  atlas.brushed = function () { brushing(false); apply(); list(); };
  function brushing(on) {
    atlas.brushing = on;
    by("brush").setAttribute("aria-pressed", String(on));
    atlas.frame.classList.toggle("brushing", on);
  }
  function listen() {
    by("layer").addEventListener("change", function (event) { colour(event.target.value); facets(); apply(); });
    by("open").addEventListener("change", function (event) { atlas.opened = event.target.checked; atlas.repaint(); address(); });
    by("sea").addEventListener("change", async function (event) { await atlas.group(event.target.value); apply(); });
    by("clear").addEventListener("click", function () {
      for (const wanted of chosen.values()) wanted.clear();
      upTo = null;
      atlas.brush = null;
      apply();
    });
    by("until").addEventListener("input", function (event) { chosen.get("month").clear(); upTo = Number(event.target.value); apply(); });
    by("play").addEventListener("click", play);
    by("brush").addEventListener("click", function () { brushing(!atlas.brushing); });
    by("list").addEventListener("click", list);
    by("csv").addEventListener("click", download);
    if (!atlas.exported) by("parquet").addEventListener("click", parquet);
    by("copy").addEventListener("click", function () { navigator.clipboard.writeText(by("found-cypher").textContent); });
    addEventListener("hashchange", restore);
  }

  atlas.ready.push(function () {
    atlas.fails = new Uint16Array(atlas.about.models);
    const layer = atlas.about.layers.find(function (each) { return location.hash.includes("colour=" + each.name); });
    colour(layer ? layer.name : "license");
    facets();
    months();
    for (const name of FACETS) counts[name] = Int32Array.from(atlas.layer(name).legend, function (entry) { return entry.models; });
    showCounts();
    listen();
    atlas.moved = function () { atlas.crumbs(); address(); };
    atlas.chose = function () { atlas.crumbs(); address(); };
  });
  atlas.listed.push(function () { restore(); atlas.crumbs(); });
})(ATLAS);
