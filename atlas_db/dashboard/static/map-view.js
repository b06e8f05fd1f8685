"use strict";
// The view: camera, what is under the pointer, minimap, breadcrumb and scale.
(function (atlas) {
  const canvas = document.getElementById("chart"), stock = document.createElement("canvas"), copied = {};
  const tip = document.getElementById("tip");
  const mini = document.getElementById("minimap"), miniPen = mini.getContext("2d");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  // Pixels of a cell that is drawn by itself; of the halo of land.
  const NEAR = 8, HALO = 20;
  const clamp = function (low, value, high) { return Math.max(low, Math.min(high, value)); };
  // Share of the window that the picture kept for moving about holds beyond each side.
  const MARGIN = 0.2;
  let pen = canvas.getContext("2d"), before = 0, theme = null, width = 1, height = 1, dense = 1, asked = 0, least = 0.1, flight = 0, thumb = null;
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
    const shown = atlas.regions.filter(atlas.paint);
    if (camera.zoom === before) reuse(shown); else cells(shown);
    before = camera.zoom;
    if (atlas.chosen >= 0 && atlas.chosen < atlas.loaded) lineage(atlas.chosen);
    if (atlas.brush) outline(atlas.brush);
    atlas.labels({ pen: pen, width: width, height: height, theme: theme, across: across, down: down, near: NEAR });
    minimap();
    measureBar();
    atlas.frame.dataset.render = (performance.now() - started).toFixed(1);
  }

  function cells(shown) {
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.fillStyle = theme.sea;
    pen.fillRect(0, 0, width, height);
    for (const region of shown) {
      const size = region.scale * camera.zoom;
      if (size >= NEAR) { near(region, size); continue; }
      pen.imageSmoothingEnabled = size * dense < region.size;
      pen.drawImage(region.sheet, across(region.left), down(region.top), region.width * size, region.height * size);
    }
  }

  // While the zoom stays, cells are copied from a picture of more than the window.
  function reuse(shown) {
    const key = [width, height, dense, ...shown.map(function (region) { return region.painted; })].join();
    const room = [Math.round(width * MARGIN), Math.round(height * MARGIN)];
    const away = function () { return [(camera.x - copied.x) * camera.zoom, (camera.y - copied.y) * camera.zoom]; };
    if (copied.key !== key || copied.zoom !== camera.zoom || away().some(function (far, side) { return Math.abs(far) > room[side]; })) {
      Object.assign(copied, { key: key, x: camera.x, y: camera.y, zoom: camera.zoom });
      stock.width = Math.round((width + 2 * room[0]) * dense);
      stock.height = Math.round((height + 2 * room[1]) * dense);
      const whole = [pen, width, height];
      [pen, width, height] = [stock.getContext("2d"), width + 2 * room[0], height + 2 * room[1]];
      cells(shown);
      [pen, width, height] = whole;
    }
    const from = away().map(function (far, side) { return Math.round((room[side] + far) * dense); });
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(stock, ...from, canvas.width, canvas.height, 0, 0, canvas.width, canvas.height);
    pen.setTransform(dense, 0, 0, dense, 0, 0);
  }

  // From near each cell is drawn by itself, with rounded corners and the name of its model.
  function near(region, size) {
    const [left, top, right, bottom] = atlas.window();
    const beyond = Math.ceil(HALO / size);
    const first = [Math.max(0, Math.floor((left - region.left) / region.scale) - beyond), Math.max(0, Math.floor((top - region.top) / region.scale) - beyond)];
    const last = [Math.min(region.width - 1, Math.floor((right - region.left) / region.scale) + beyond), Math.min(region.height - 1, Math.floor((bottom - region.top) / region.scale) + beyond)];
    const palette = atlas.palette(atlas.shown, theme), downloads = atlas.layer("downloads"), status = atlas.layer("status");
    const paths = new Map();
    const path = function (name) { if (!paths.has(name)) paths.set(name, new Path2D()); return paths.get(name); };
    const gap = Math.min(1.5, size * 0.05), round = Math.min(6, size * 0.16);
    for (let row = first[1]; row <= last[1]; row++) {
      for (let column = first[0]; column <= last[0]; column++) {
        const model = region.cells[row * region.width + column];
        const x = across(region.left + column * region.scale), y = down(region.top + row * region.scale);
        if (model < 0) continue;
        const kept = !atlas.fails[model];
        const colour = kept ? atlas.css(palette[atlas.code(model, atlas.shown)][atlas.code(model, downloads)]) : theme.dim;
        path("base").rect(x - 0.5, y - 0.5, size + 1, size + 1);
        const cell = path(kept && atlas.isOrigin(model) ? "origin" : colour);
        cell.roundRect(x + gap, y + gap, size - 2 * gap, size - 2 * gap, round);
        if (atlas.word(model, "status") === "predicted" && kept) {
          path("predicted").moveTo(x + size * 0.64, y + size / 2);
          path("predicted").arc(x + size / 2, y + size / 2, size * 0.14, 0, 7);
        }
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
    pen.lineCap = "round";
    if (paths.has("coast")) {
      pen.strokeStyle = theme.shallow;
      for (const [alpha, share] of [[0.5, 1], [1, 0.5]]) {
        pen.globalAlpha = alpha;
        pen.lineWidth = 2 * Math.min(2 * size, HALO) * share;
        pen.stroke(paths.get("coast"));
      }
    }
    const fills = { base: theme.coast, predicted: "#ffffff" };
    for (const [name, shape] of paths) {
      if (name === "coast" || name === "border") continue;
      pen.globalAlpha = name === "base" ? 0.28 : 1;
      pen.fillStyle = fills[name] || name;
      if (name === "origin") { pen.fillStyle = theme.sea; pen.fill(shape); pen.strokeStyle = theme.label; pen.setLineDash([3, 3]); pen.lineWidth = 2; pen.stroke(shape); pen.setLineDash([]); } else if (name !== "predicted") pen.fill(shape);
      pen.globalAlpha = 1;
    }
    if (paths.has("predicted")) { pen.fillStyle = "#ffffff"; pen.fill(paths.get("predicted")); pen.strokeStyle = "#000000"; pen.lineWidth = 1; pen.stroke(paths.get("predicted")); }
    pen.strokeStyle = theme.coast;
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
    for (const moment of ["beforeprint", "afterprint"]) addEventListener(moment, function () { measure(); atlas.repaint(); render(); });
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
