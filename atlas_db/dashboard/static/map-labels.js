"use strict";
// Names on the map, by rank: families, zones, branches, authors, models. None lies over another, or under the buttons.
(function (atlas) {
  const FONT = 'system-ui, "DejaVu Sans", sans-serif';
  // Pixels of a cell that has room for its name.
  const NAMED = 72;
  const widths = new Map();
  const clamp = function (low, value, high) { return Math.max(low, Math.min(high, value)); };
  // What is drawn on: pen, size in pixels, colours, and pixels of a place.
  let view = null;

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
    if (widths.size > 50000) widths.clear();
    if (!widths.has(key)) { view.pen.font = weight + " 20px " + FONT; widths.set(key, view.pen.measureText(text).width / 20); }
    return widths.get(key) * size;
  }

  // Where the page lies over the map, in pixels of the map.
  const over = ["crumbs", "minimap", "place", "buttons", "ruler"].map(function (name) { return document.getElementById(name); });
  function covered() {
    const at = view.pen.canvas.getBoundingClientRect();
    return over.map(function (part) {
      const box = part.getBoundingClientRect();
      return [box.left - at.left, box.top - at.top, box.right - at.left, box.bottom - at.top];
    }).filter(function (box) { return box[2] > box[0]; });
  }

  atlas.labels = function (shown) {
    view = shown;
    const { pen, width, height, across, down } = view, camera = atlas.camera;
    const taken = covered(), most = taken.length + clamp(12, (width * height) / 9000, 110), single = clamp(4, (width * height) / 40000, 24);
    let rank = 0, singles = 0;
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
      if (name.kind === "model" && (singles >= single || cell < view.near || cell >= NAMED || (name.region.open === false))) continue;
      const size = name.kind === "family" ? clamp(12, side / 6, 24) : name.kind === "model" ? 11 : clamp(11, side / 8, 16);
      const written = write(taken, name.name, second(name, side), x, y, size, name.kind, Math.max(side * 1.5, name.kind === "family" ? 340 : 240));
      singles += written && name.kind === "model";
    }
    for (const region of atlas.regions) if (region.scale * camera.zoom >= NAMED && region.first + region.models <= atlas.loaded) cellNames(region, taken);
  };
  function second(name, side) {
    const number = name.models.toLocaleString("en");
    if (name.kind === "zone") return number + (name.region.name === "sea" ? " single models" : " models");
    if (name.kind === "author") return number + " single models";
    if (name.kind === "model") return name.owner;
    // An owner from right to left leaves the number in its place (isolates of Unicode).
    return (name.owner ? "\u2068" + name.owner + "\u2069" + (side > 50 ? " · " : "") : "") + (side > 50 || !name.owner ? number + " models" : "");
  }
  function cellNames(region, taken) {
    const size = region.scale * atlas.camera.zoom, [left, top, right, bottom] = atlas.window();
    const bound = function (value, most) { return clamp(0, Math.floor(value), most - 1); };
    for (let row = bound((top - region.top) / region.scale, region.height); row <= bound((bottom - region.top) / region.scale, region.height); row++) {
      for (let column = bound((left - region.left) / region.scale, region.width); column <= bound((right - region.left) / region.scale, region.width); column++) {
        const model = region.cells[row * region.width + column];
        const id = model < 0 ? null : atlas.nameNow(model);
        if (!id) continue;
        const [x, y] = atlas.spot(model), cut = id.indexOf("/");
        inCell(taken, id.slice(cut + 1), cut < 0 ? "" : id.slice(0, cut), view.across(x), view.down(y), size);
      }
    }
  }
  // A name in as many lines as its cell has room for, and its owner below.
  function inCell(taken, text, owner, x, y, side) {
    const size = clamp(10, side / 8, 14), tall = size * 1.15, room = side * 0.92;
    const most = Math.max(1, Math.floor(room / tall) - (owner ? 1 : 0)), lines = [];
    for (const part of text.match(/[^-_. ]*[-_. ]?/gu)) {
      for (let rest = part; rest;) {
        const last = lines.length - 1;
        if (last >= 0 && textWidth(lines[last] + rest, "500", size) <= room) { lines[last] += rest; break; }
        const letters = [...rest];
        let fits = letters.length;
        while (fits > 1 && textWidth(letters.slice(0, fits).join(""), "500", size) > room) fits--;
        lines.push(letters.slice(0, fits).join(""));
        rest = letters.slice(fits).join("");
      }
    }
    if (lines.length > most) { lines.length = most; lines[most - 1] = lines[most - 1].slice(0, -1) + "…"; }
    if (owner) lines.push(shorten(owner, "400", size * 0.9, room));
    const box = [x - room / 2, y - (lines.length * tall) / 2, x + room / 2, y + (lines.length * tall) / 2];
    if (meets(taken, box)) return;
    taken.push(box);
    lines.forEach(function (line, at) {
      const below = owner && at === lines.length - 1;
      stroked(line, x, box[1] + (at + 0.8) * tall, (below ? "400 " : "500 ") + (below ? size * 0.9 : size) + "px ", below ? view.theme.owner : view.theme.label, 3);
    });
  }
  function meets(taken, box) {
    return taken.some(function (other) { return other[0] < box[2] && box[0] < other[2] && other[1] < box[3] && box[1] < other[3]; });
  }
  function shorten(line, weight, size, room) {
    const letters = [...line];
    while (letters.length > 3 && textWidth(letters.join(""), weight, size) > room) letters.length = Math.min(letters.length - 1, Math.floor(letters.length * 0.92));
    return letters.length === [...line].length ? line : letters.slice(0, -1).join("") + "…";
  }
  function stroked(line, x, y, font, colour, halo) {
    const pen = view.pen;
    pen.font = font + FONT;
    pen.strokeStyle = view.theme.halo;
    pen.lineWidth = halo;
    pen.strokeText(line, x, y);
    pen.fillStyle = colour;
    pen.fillText(line, x, y);
  }
  // Writes a name and a second line, unless they would lie over another name; returns whether.
  function write(taken, text, note, x, y, size, kind, room) {
    const weight = kind === "family" ? "700" : kind === "branch" ? "600" : kind === "model" ? "500" : "italic 600";
    const small = Math.max(10, size * 0.68), shown = shorten(text, weight, size, room), below = note ? shorten(note, "400", small, room) : "";
    const half = Math.max(textWidth(shown, weight, size), below ? textWidth(below, "400", small) : 0) / 2 + 3;
    const tall = below ? size + small + 2 : size;
    const middle = x < 0 || x > view.width ? x : clamp(half + 2, x, Math.max(half + 2, view.width - half - 2));
    // Names of places may stand a little above or below their middle.
    const shift = (kind === "family" || kind === "zone" ? [0, 0.5, -0.5, 1, -1] : [0]).find(function (part) {
      const at = y + part * tall;
      return !meets(taken, [middle - half, at - tall / 2 - 2, middle + half, at + tall / 2 + 2]);
    });
    if (shift === undefined) return false;
    const upper = y + (shift - 0.5) * tall;
    taken.push([middle - half, upper - 2, middle + half, upper + tall + 2]);
    const line = below ? upper + size * 0.82 : upper + size * 0.85;
    stroked(shown, middle, line, weight + " " + size + "px ", view.theme.label, Math.max(3, size / 4.5));
    if (below) stroked(below, middle, line + small + 1, "400 " + small + "px ", view.theme.owner, 3);
    return true;
  }
})(ATLAS);
