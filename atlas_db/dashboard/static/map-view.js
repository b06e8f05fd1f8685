"use strict";
// The view: camera, labels by rank, what is under the pointer, minimap, breadcrumb and scale.
(function (atlas) {
  const canvas = document.getElementById("chart"), pen = canvas.getContext("2d");
  const tip = document.getElementById("tip");
  const mini = document.getElementById("minimap"), miniPen = mini.getContext("2d");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const NEAR = 8, NAMED = 44;
  const widths = new Map();
  let theme = null, width = 1, height = 1, dense = 1, asked = 0, least = 0.1, flight = 0, thumb = null;
  atlas.camera = { x: 0, y: 0, zoom: 1 };
  atlas.chosen = -1;
  atlas.opened = false;
  const camera = atlas.camera;

  const across = function (x) { return (x - camera.x) * camera.zoom + width / 2; };
  const down = function (y) { return (y - camera.y) * camera.zoom + height / 2; };
  atlas.toWorld = function (x, y) { return [(x - width / 2) / camera.zoom + camera.x, (y - height / 2) / camera.zoom + camera.y]; };
  atlas.window = function () { return [...atlas.toWorld(0, 0), ...atlas.toWorld(width, height)]; };

  function measure() {
    const box = canvas.getBoundingClientRect();
    dense = window.devicePixelRatio || 1;
    width = Math.max(1, box.width);
    height = Math.max(1, box.height);
    canvas.width = Math.round(width * dense);
    canvas.height = Math.round(height * dense);
    least = 0.96 * Math.min(width / atlas.width, height / atlas.height);
    theme = atlas.theme();
    thumb = null;
  }
  atlas.fit = function () { aim(atlas.width / 2, atlas.height / 2, least); };

  // Moves the camera; from afar in a short flight.
  function aim(x, y, zoom, at_once) {
    cancelAnimationFrame(flight);
    const from = Object.assign({}, camera), start = performance.now();
    const step = function (now) {
      const share = at_once || still.matches ? 1 : Math.min(1, (now - start) / 450), eased = 1 - (1 - share) ** 3;
      camera.zoom = from.zoom * (zoom / from.zoom) ** eased;
      // Along the way the middle moves with the scale, so that the place does not shoot through the window.
      const part = from.zoom === zoom ? eased : (1 / from.zoom - 1 / camera.zoom) / (1 / from.zoom - 1 / zoom);
      camera.x = from.x + (x - from.x) * part;
      camera.y = from.y + (y - from.y) * part;
      atlas.draw();
      if (share < 1) flight = requestAnimationFrame(step); else atlas.moved();
    };
    if (at_once) step(start); else flight = requestAnimationFrame(step);
  }
  atlas.aim = aim;
  atlas.moved = function () {};
  atlas.chose = function () {};

  // Flies to models that follow each other, such as those of a family, a branch or an author.
  atlas.flyTo = function (name) {
    const box = name.box || extent(name.first, name.models);
    const zoom = Math.min(width / (box[2] - box[0] + 2), height / (box[3] - box[1] + 2)) * 0.7;
    aim((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, Math.max(least, Math.min(zoom, 48)));
  };
  function extent(first, models) {
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (let model = first; model < Math.min(first + models, atlas.loaded); model++) {
      const [x, y] = atlas.spot(model);
      box[0] = Math.min(box[0], x); box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x); box[3] = Math.max(box[3], y);
    }
    return box;
  }
  atlas.choose = function (model, fly) {
    atlas.chosen = model;
    const below = model >= 0 && fly ? atlas.descendants(model) : 0;
    if (below > 20) atlas.flyTo({ first: model, models: below + 1 });
    else if (model >= 0 && fly) { const [x, y] = atlas.spot(model); aim(x, y, Math.max(camera.zoom, 18 / atlas.region(model).scale)); }
    atlas.describe(model);
    atlas.chose();
    atlas.draw();
  };

  atlas.draw = function () { if (!asked) asked = requestAnimationFrame(function () { asked = 0; render(); }); };

  function render() {
    if (!theme) return;
    const started = performance.now();
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.fillStyle = theme.sea;
    pen.fillRect(0, 0, width, height);
    for (const region of atlas.regions) {
      if (!atlas.paint(region)) continue;
      const size = region.scale * camera.zoom;
      if (size >= NEAR) { near(region, size); continue; }
      pen.imageSmoothingEnabled = size * dense < region.size;
      pen.drawImage(region.sheet, across(region.left), down(region.top), region.width * size, region.height * size);
    }
    if (atlas.chosen >= 0 && atlas.chosen < atlas.loaded) lineage(atlas.chosen);
    if (atlas.brush) outline(atlas.brush);
    labels();
    minimap();
    measureBar();
    atlas.frame.dataset.render = (performance.now() - started).toFixed(1);
  }

  // From near each cell is drawn by itself, with rounded corners and the name of its model.
  function near(region, size) {
    const [left, top, right, bottom] = atlas.window();
    const first = [Math.max(0, Math.floor((left - region.left) / region.scale)), Math.max(0, Math.floor((top - region.top) / region.scale))];
    const last = [Math.min(region.width - 1, Math.floor((right - region.left) / region.scale)), Math.min(region.height - 1, Math.floor((bottom - region.top) / region.scale))];
    const palette = atlas.palette(atlas.shown, theme), downloads = atlas.layer("downloads"), status = atlas.layer("status");
    const paths = new Map();
    const path = function (name) { if (!paths.has(name)) paths.set(name, new Path2D()); return paths.get(name); };
    const gap = Math.min(1.5, size * 0.05), round = Math.min(6, size * 0.16);
    for (let row = first[1]; row <= last[1]; row++) {
      for (let column = first[0]; column <= last[0]; column++) {
        const model = region.cells[row * region.width + column];
        const x = across(region.left + column * region.scale), y = down(region.top + row * region.scale);
        if (model < 0) {
          const water = region.name === "sea" ? 0 : region.shallows[row * region.width + column];
          if (water) path(water === 1 ? "shore1" : "shore2").rect(x, y, size + 0.5, size + 0.5);
          continue;
        }
        const kept = !atlas.fails[model];
        const colour = kept ? atlas.css(palette[atlas.code(model, atlas.shown)][atlas.code(model, downloads)]) : theme.dim;
        path("base").rect(x - 0.5, y - 0.5, size + 1, size + 1);
        const cell = path(kept && atlas.isOrigin(model) ? "origin" : colour);
        cell.roundRect(x + gap, y + gap, size - 2 * gap, size - 2 * gap, round);
        if (atlas.word(model, "status") === "predicted" && kept) path("predicted").arc(x + size / 2, y + size / 2, size * 0.14, 0, 7), path("predicted").closePath();
        if (region.name === "sea") continue;
        const sides = [
          [column > 0 ? region.cells[row * region.width + column - 1] : -1, x, y, x, y + size], [column < region.width - 1 ? region.cells[row * region.width + column + 1] : -1, x + size, y, x + size, y + size],
          [row > 0 ? region.cells[(row - 1) * region.width + column] : -1, x, y, x + size, y], [row < region.height - 1 ? region.cells[(row + 1) * region.width + column] : -1, x, y + size, x + size, y + size],
        ];
        for (const [other, x1, y1, x2, y2] of sides) {
          const kind = other < 0 || atlas.family[other] !== atlas.family[model] ? "coast" : atlas.branch[other] !== atlas.branch[model] ? "border" : null;
          if (kind) { path(kind).moveTo(x1, y1); path(kind).lineTo(x2, y2); }
        }
      }
    }
    const fills = { shore1: theme.shallow, shore2: theme.shallow, base: theme.coast, predicted: "#ffffff" };
    for (const [name, shape] of paths) {
      if (name === "coast" || name === "border") continue;
      pen.globalAlpha = name === "shore1" ? 0.5 : name === "base" ? 0.28 : 1;
      pen.fillStyle = fills[name] || name;
      if (name === "origin") { pen.fillStyle = theme.sea; pen.fill(shape); pen.strokeStyle = theme.label; pen.setLineDash([3, 3]); pen.lineWidth = 2; pen.stroke(shape); pen.setLineDash([]); } else if (name !== "predicted") pen.fill(shape);
      pen.globalAlpha = 1;
    }
    if (paths.has("predicted")) { pen.fillStyle = "#ffffff"; pen.fill(paths.get("predicted")); pen.strokeStyle = "#000000"; pen.lineWidth = 1; pen.stroke(paths.get("predicted")); }
    pen.strokeStyle = theme.coast;
    pen.lineCap = "round";
    for (const [name, line] of [["border", 1.5], ["coast", 2.5]]) if (paths.has(name)) { pen.lineWidth = line; pen.stroke(paths.get(name)); }
  }

  const DASHES = { verified: [], declared: [], undeclared: [8, 5], predicted: [2, 5], contradicted: [12, 4, 2, 4] };
  // The path from a model to its root, and a ring around it.
  function lineage(model) {
    const path = atlas.path(model);
    pen.strokeStyle = theme.mark;
    for (let at = 0; at + 1 < path.length; at++) {
      const [x1, y1] = atlas.spot(path[at]), [x2, y2] = atlas.spot(path[at + 1]);
      pen.setLineDash(DASHES[atlas.word(path[at], "status")] || []);
      for (const [line, colour] of [[5, theme.halo], [2.5, theme.mark]]) {
        pen.lineWidth = line;
        pen.strokeStyle = colour;
        pen.beginPath();
        pen.moveTo(across(x1), down(y1));
        pen.lineTo(across(x2), down(y2));
        pen.stroke();
      }
    }
    pen.setLineDash([]);
    const [x, y] = atlas.spot(model), size = Math.max(5, (atlas.region(model).scale * camera.zoom) / 2);
    for (const [line, colour] of [[6, theme.halo], [3, theme.mark]]) {
      pen.lineWidth = line;
      pen.strokeStyle = colour;
      pen.beginPath();
      pen.roundRect(across(x) - size, down(y) - size, 2 * size, 2 * size, 4);
      pen.stroke();
    }
  }
  function outline(box) {
    pen.strokeStyle = theme.mark;
    pen.lineWidth = 2;
    pen.setLineDash([6, 4]);
    pen.strokeRect(across(box[0]), down(box[1]), (box[2] - box[0]) * camera.zoom, (box[3] - box[1]) * camera.zoom);
    pen.setLineDash([]);
  }

  // Names with their middle and width, computed once.
  atlas.place = function () {
    const byAuthor = atlas.grouping === "author", shore = atlas.about.regions[2].first;
    const kept = function (each) { return each[1] + each[2] <= atlas.loaded && !(byAuthor && each[1] >= shore && each[0] !== "model"); };
    atlas.named = atlas.names_.filter(kept).map(function (each) {
      const [kind, first, models, text] = each;
      const region = atlas.region(first);
      const step = Math.max(1, Math.floor(models / 400));
      let x = 0, y = 0, taken = 0;
      for (let model = first; model < first + models; model += step) { x += atlas.x[model]; y += atlas.y[model]; taken++; }
      const cut = kind === "zone" || kind === "author" ? -1 : text.indexOf("/");
      return {
        kind: kind, first: first, models: models, text: text, x: region.left + (x / taken + 0.5) * region.scale, y: region.top + (y / taken + 0.5) * region.scale,
        side: Math.sqrt(models) * region.scale, name: cut < 0 ? text : text.slice(cut + 1), owner: cut < 0 ? "" : text.slice(0, cut), region: region,
      };
    });
    if (!byAuthor) return;
    const after = atlas.named.findIndex(function (name) { return name.kind !== "family"; });
    atlas.named.splice(after < 0 ? atlas.named.length : after, 0, ...atlas.authorNames());
  };

  function textWidth(text, weight, size) {
    const key = weight + text;
    if (!widths.has(key)) { pen.font = weight + " 20px " + FONT; widths.set(key, pen.measureText(text).width / 20); }
    return widths.get(key) * size;
  }
  const FONT = 'system-ui, "DejaVu Sans", sans-serif';
  const clamp = function (low, value, high) { return Math.max(low, Math.min(high, value)); };

  function labels() {
    const taken = [], most = clamp(12, (width * height) / 9000, 110);
    let rank = 0;
    pen.textAlign = "center";
    pen.lineJoin = "round";
    for (const name of atlas.named || []) {
      if (taken.length > most) break;
      const x = across(name.x), y = down(name.y), side = name.side * camera.zoom, cell = name.region.scale * camera.zoom;
      if (x < -40 || y < -20 || x > width + 40 || y > height + 20) { rank += name.kind === "family"; continue; }
      const first = name.kind === "family" && rank++ < 14;
      if (name.kind === "family" && !first && side < 34) continue;
      if (name.kind === "branch" && side < 64) continue;
      if ((name.kind === "zone" && side < 22) || (name.kind === "author" && side < 48)) continue;
      if (name.kind === "author" && !name.region.open) continue;
      if (name.kind === "model" && (cell < NEAR || cell >= NAMED || (name.region.open === false))) continue;
      const size = name.kind === "family" ? clamp(12, side / 6, 24) : name.kind === "model" ? 11 : clamp(11, side / 8, 16);
      write(taken, name.name, second(name, side), x, y, size, name.kind, Math.max(side * 1.5, first ? 260 : 180));
    }
    for (const region of atlas.regions) if (region.scale * camera.zoom >= NAMED && region.first + region.models <= atlas.loaded) cellNames(region, taken);
  }
  function second(name, side) {
    const number = name.models.toLocaleString("en");
    if (name.kind === "zone") return number + (name.region.name === "sea" ? " single models" : " models");
    if (name.kind === "author") return number + " single models";
    if (name.kind === "model") return name.owner;
    return (name.owner ? name.owner + (side > 50 ? " · " : "") : "") + (side > 50 || !name.owner ? number + " models" : "");
  }
  function cellNames(region, taken) {
    const size = region.scale * camera.zoom, [left, top, right, bottom] = atlas.window();
    const bound = function (value, most) { return clamp(0, Math.floor(value), most - 1); };
    for (let row = bound((top - region.top) / region.scale, region.height); row <= bound((bottom - region.top) / region.scale, region.height); row++) {
      for (let column = bound((left - region.left) / region.scale, region.width); column <= bound((right - region.left) / region.scale, region.width); column++) {
        const model = region.cells[row * region.width + column];
        const id = model < 0 ? null : atlas.nameNow(model);
        if (!id) continue;
        const [x, y] = atlas.spot(model), cut = id.indexOf("/");
        write(taken, id.slice(cut + 1), cut < 0 ? "" : id.slice(0, cut), across(x), down(y), 11, "model", size * 0.94);
      }
    }
  }
  // Writes a name and a second line, unless they would lie over another name.
  function write(taken, text, note, x, y, size, kind, room) {
    const weight = kind === "family" ? "700" : kind === "branch" ? "600" : kind === "model" ? "500" : "italic 600";
    const cut = function (line, font, points) {
      let kept = line;
      while (kept.length > 3 && textWidth(kept, font, points) > room) kept = kept.slice(0, Math.floor(kept.length * 0.85));
      return kept === line ? line : kept.slice(0, -1) + "…";
    };
    const shown = cut(text, weight, size), small = Math.max(10, size * 0.68), below = note ? cut(note, "400", small) : "";
    const half = Math.max(textWidth(shown, weight, size), below ? textWidth(below, "400", small) : 0) / 2 + 3;
    const tall = below ? size + small + 2 : size;
    const box = [x - half, y - tall / 2 - 2, x + half, y + tall / 2 + 2];
    if (kind === "family" || kind === "zone") {
      const shift = Math.max(0, 2 - box[0]) - Math.max(0, box[2] - width + 2);
      x += shift; box[0] += shift; box[2] += shift;
    }
    if (taken.some(function (other) { return other[0] < box[2] && box[0] < other[2] && other[1] < box[3] && box[1] < other[3]; })) return;
    taken.push(box);
    pen.strokeStyle = theme.halo;
    pen.font = weight + " " + size + "px " + FONT;
    pen.lineWidth = Math.max(3, size / 4.5);
    const line = below ? y - tall / 2 + size * 0.82 : y + size * 0.35;
    pen.strokeText(shown, x, line);
    pen.fillStyle = theme.label;
    pen.fillText(shown, x, line);
    if (!below) return;
    pen.font = "400 " + small + "px " + FONT;
    pen.lineWidth = 3;
    pen.strokeText(below, x, line + small + 1);
    pen.fillStyle = theme.owner;
    pen.fillText(below, x, line + small + 1);
  }

  function minimap() {
    const room = [mini.width, mini.height], scale = Math.min(room[0] / atlas.width, room[1] / atlas.height);
    const hidden = camera.zoom < least * 1.3;
    mini.classList.toggle("away", hidden);
    if (hidden) return;
    const key = atlas.regions.map(function (region) { return region.sheet ? region.open + region.first : ""; }).join() + atlas.paints;
    if (!thumb || thumb.dataset.key !== key) {
      thumb = document.createElement("canvas");
      thumb.width = room[0];
      thumb.height = room[1];
      thumb.dataset.key = key;
      const to = thumb.getContext("2d");
      to.fillStyle = theme.sea;
      to.fillRect(0, 0, ...room);
      for (const region of atlas.regions) {
        if (region.sheet) to.drawImage(region.sheet, region.left * scale, region.top * scale, region.width * region.scale * scale, region.height * region.scale * scale);
      }
    }
    miniPen.drawImage(thumb, 0, 0);
    const [left, top, right, bottom] = atlas.window();
    miniPen.strokeStyle = theme.mark;
    miniPen.lineWidth = 2;
    miniPen.strokeRect(left * scale, top * scale, Math.max(3, (right - left) * scale), Math.max(3, (bottom - top) * scale));
  }
  mini.addEventListener("click", function (event) {
    const box = mini.getBoundingClientRect(), scale = Math.min(mini.width / atlas.width, mini.height / atlas.height);
    aim(((event.clientX - box.left) / box.width) * mini.width / scale, ((event.clientY - box.top) / box.height) * mini.height / scale, camera.zoom);
  });

  function measureBar() {
    // A round number of cells, about a hundred pixels long.
    const cells = 100 / camera.zoom, power = 10 ** Math.floor(Math.log10(Math.max(cells, 1)));
    const shown = Math.max(1, [1, 2, 5].map(function (each) { return each * power; }).filter(function (each) { return each <= Math.max(cells, 1); }).pop());
    const bar = document.getElementById("bar");
    bar.style.width = Math.round(shown * camera.zoom) + "px";
    document.getElementById("scale").textContent = shown.toLocaleString("en") + (shown === 1 ? " model across" : " models across");
  }

  // The places around the middle of the window, from the whole atlas to the branch.
  atlas.crumbs = function () {
    const model = atlas.chosen >= 0 ? atlas.chosen : atlas.under(camera.x, camera.y);
    const found = [];
    if (model >= 0 && model < atlas.loaded && (atlas.chosen >= 0 || camera.zoom > least * 1.6)) {
      for (const name of atlas.named || []) {
        if (name.kind !== "model" && atlas.holds(name, model)) found.push(name);
      }
      found.sort(function (one, other) { return other.models - one.models; });
    }
    const list = document.getElementById("crumbs");
    const item = function (text, fly) {
      const each = document.createElement("li"), button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.addEventListener("click", fly);
      each.append(button);
      return each;
    };
    list.replaceChildren(item("Atlas", function () { atlas.choose(-1); atlas.fit(); }), ...found.slice(0, 4).map(function (name) {
      return item(name.kind === "zone" && name.region.name === "sea" ? "Single models, " + name.text : name.text, function () { atlas.flyTo(name); });
    }));
  };

  function pointed(event) { const [x, y] = atlas.toWorld(event.offsetX, event.offsetY); return atlas.under(x, y); }

  // Name; parent and relation; licence and verdict.
  async function showTip(model, x, y) {
    if (model < 0 || model >= atlas.loaded) { tip.hidden = true; return; }
    const above = atlas.parent(model), lines = [await atlas.name(model)];
    lines.push(above >= 0 ? atlas.word(model, "relation") + " of " + await atlas.name(above) + ", " + atlas.word(model, "status") : atlas.word(model, "relation"));
    lines.push("licence: " + atlas.word(model, "license") + " · " + atlas.word(model, "verdict"));
    tip.replaceChildren(...lines.map(function (line, at) {
      const part = document.createElement(at ? "div" : "strong");
      part.textContent = line;
      return part;
    }));
    tip.hidden = false;
    tip.style.left = clamp(8, x + 14, width - tip.offsetWidth - 8) + "px";
    tip.style.top = (y + 18 + tip.offsetHeight > height ? y - tip.offsetHeight - 12 : y + 18) + "px";
  }

  async function open(model) {
    if (model < 0) return;
    const id = await atlas.name(model), page = atlas.page(id);
    if (page) location.href = page;
    else document.getElementById("state").textContent = id + " has no page in this export.";
  }

  function scale(factor, x, y) {
    cancelAnimationFrame(flight);
    const [before, beside] = atlas.toWorld(x, y);
    camera.zoom = clamp(least * 0.7, camera.zoom * factor, 220);
    camera.x = before - (x - width / 2) / camera.zoom;
    camera.y = beside - (y - height / 2) / camera.zoom;
    atlas.draw();
    atlas.moved();
  }

  function listen() {
    const fingers = new Map();
    let held = null;
    canvas.addEventListener("pointerdown", function (event) {
      cancelAnimationFrame(flight);
      fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
      held = { x: event.offsetX, y: event.offsetY, from: [camera.x, camera.y], moved: fingers.size > 1, brush: atlas.brushing ? atlas.toWorld(event.offsetX, event.offsetY) : null };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", function (event) {
      if (!held) { const model = pointed(event); showTip(model, event.offsetX, event.offsetY); canvas.classList.toggle("found", model >= 0); return; }
      if (fingers.size === 2 && fingers.has(event.pointerId)) {
        const apart = function () { const [a, b] = [...fingers.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
        const before = apart();
        fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
        const [a, b] = [...fingers.values()];
        scale(apart() / Math.max(before, 1), (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
        return;
      }
      fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
      const [x, y] = [event.offsetX - held.x, event.offsetY - held.y];
      if (Math.abs(x) + Math.abs(y) > 4) held.moved = true;
      if (held.brush) {
        const to = atlas.toWorld(event.offsetX, event.offsetY);
        atlas.brush = [Math.min(held.brush[0], to[0]), Math.min(held.brush[1], to[1]), Math.max(held.brush[0], to[0]), Math.max(held.brush[1], to[1])];
      } else if (fingers.size < 2) { camera.x = held.from[0] - x / camera.zoom; camera.y = held.from[1] - y / camera.zoom; }
      tip.hidden = true;
      atlas.draw();
    });
    const release = function (event) {
      fingers.delete(event.pointerId);
      if (held && !held.moved && event.type === "pointerup") press(event);
      else if (held && held.brush && atlas.brush) atlas.brushed();
      if (held) atlas.moved();
      held = null;
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", function () { tip.hidden = true; });
    canvas.addEventListener("dblclick", function (event) { scale(2, event.offsetX, event.offsetY); });
    canvas.addEventListener("wheel", function (event) {
      event.preventDefault();
      scale(Math.exp(-clamp(-240, event.deltaY * (event.deltaMode ? 30 : 1), 240) / 400), event.offsetX, event.offsetY);
    }, { passive: false });
    const middle = function (factor) { scale(factor, width / 2, height / 2); };
    canvas.addEventListener("keydown", function (event) {
      const step = 60 / camera.zoom;
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      if (moves[event.key]) { camera.x += moves[event.key][0]; camera.y += moves[event.key][1]; atlas.draw(); atlas.moved(); }
      else if (event.key === "+" || event.key === "=") middle(1.5);
      else if (event.key === "-") middle(1 / 1.5);
      else if (event.key === "0") atlas.fit();
      else if (event.key === "Escape") atlas.choose(-1);
      else if (event.key === " ") atlas.choose(nearest());
      else if (event.key === "Enter") { open(atlas.chosen >= 0 ? atlas.chosen : nearest()); return; }
      else return;
      event.preventDefault();
      showTip(atlas.under(camera.x, camera.y), width / 2, height / 2);
    });
    document.getElementById("closer").addEventListener("click", function () { middle(1.5); });
    document.getElementById("further").addEventListener("click", function () { middle(1 / 1.5); });
    document.getElementById("whole").addEventListener("click", function () { atlas.choose(-1); atlas.fit(); });
    new ResizeObserver(function () { measure(); atlas.draw(); }).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () { measure(); atlas.repaint(); });
  }
  // The model in the middle of the window, or the next one around it.
  function nearest() {
    for (let away = 0; away < 400; away++) {
      const angle = away * 2.4, far = 4 * Math.sqrt(away) / camera.zoom;
      const model = atlas.under(camera.x + far * Math.cos(angle), camera.y + far * Math.sin(angle));
      if (model >= 0) return model;
    }
    return -1;
  }
  // A single model, or from afar its family, is chosen where one points.
  function press(event) {
    const model = pointed(event);
    if (model < 0) { atlas.choose(-1); return; }
    const region = atlas.region(model);
    if (region.name !== "land" && !region.open) {
      const zone = atlas.named.find(function (name) { return name.kind === "zone" && atlas.holds(name, model); });
      if (zone) { atlas.flyTo(zone); return; }
    }
    atlas.choose(model);
  }

  atlas.ready.push(function () {
    measure();
    camera.x = atlas.width / 2;
    camera.y = atlas.height / 2;
    camera.zoom = least;
    atlas.place();
    listen();
    render();
  });
  atlas.listed.push(function () { atlas.place(); atlas.repaint(); });
})(ATLAS);
