"use strict";
// The map: one pixel a model on a sheet of its own, drawn onto the canvas at any zoom.
// Data are script files, so that the same page works from a disk.
const ATLAS = (function () {
  const frame = document.querySelector(".map");
  const canvas = document.getElementById("chart");
  const tip = document.getElementById("tip");
  const state = document.getElementById("state");
  const exported = frame.dataset.static === "1";
  const pen = canvas.getContext("2d");
  const sheet = document.createElement("canvas");
  const shards = new Map();
  const waiting = new Map();
  let about = null, bytes = null, view = null, cells = null, family = null, pages = {};
  let layer = 0, zoom = 1, left = 0, top = 0;

  const rgb = function (colour) {
    return [1, 3, 5].map(function (at) { return parseInt(colour.slice(at, at + 2), 16); });
  };

  function code(at, shown) {
    return (bytes[at * about.stride + shown.byte] >> shown.shift) & shown.mask;
  }

  function unpack(text) {
    const raw = atob(text);
    bytes = new Uint8Array(raw.length);
    for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
    view = new DataView(bytes.buffer);
    cells = new Int32Array(about.width * about.height).fill(-1);
    family = new Uint8Array(about.models);
    let odd = 0;
    for (let at = 0; at < about.models; at++) {
      const base = at * about.stride;
      // Neighbouring families differ in shade; single models do not.
      if (bytes[base + 4] === 0) odd = bytes[base + about.stride + 4] ? odd ^ 1 : odd & 0;
      family[at] = odd;
      cells[view.getUint16(base + 2, true) * about.width + view.getUint16(base, true)] = at;
    }
  }

  function paint() {
    sheet.width = about.width;
    sheet.height = about.height;
    const ink = about.layers[layer].legend.map(function (entry) { return rgb(entry.colour); });
    const shown = about.layers[layer];
    const picture = new ImageData(about.width, about.height);
    const out = picture.data;
    for (let cell = 0; cell < cells.length; cell++) {
      const at = cells[cell];
      if (at < 0) continue;
      const colour = ink[code(at, shown)];
      const shade = family[at] ? 0.84 : 1;
      out[cell * 4] = colour[0] * shade;
      out[cell * 4 + 1] = colour[1] * shade;
      out[cell * 4 + 2] = colour[2] * shade;
      out[cell * 4 + 3] = 255;
    }
    sheet.getContext("2d").putImageData(picture, 0, 0);
    const legend = document.getElementById("legend");
    legend.replaceChildren(...about.layers[layer].legend.map(function (entry) {
      const item = document.createElement("li");
      item.innerHTML = '<svg width="14" height="14" aria-hidden="true"><rect width="14" height="14" rx="3"/></svg> <span></span> <b></b>';
      item.querySelector("rect").setAttribute("fill", entry.colour);
      item.querySelector("span").textContent = entry.word;
      item.querySelector("b").textContent = entry.models.toLocaleString("en");
      return item;
    }));
    draw();
  }

  function fit() {
    const box = canvas.getBoundingClientRect();
    const dense = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(box.width * dense));
    canvas.height = Math.max(1, Math.round(box.height * dense));
    zoom = Math.min(canvas.width / about.width, canvas.height / about.height);
    left = (canvas.width - about.width * zoom) / 2;
    top = (canvas.height - about.height * zoom) / 2;
    draw();
  }

  function draw() {
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = "#0e1116";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.imageSmoothingEnabled = zoom < 1;
    pen.drawImage(sheet, left, top, about.width * zoom, about.height * zoom);
    const dense = window.devicePixelRatio || 1;
    const taken = [];
    pen.textAlign = "center";
    for (const [rank, label] of about.labels.entries()) {
      const side = Math.sqrt(label.models) * zoom;
      const name = label.id.split("/").pop();
      const size = Math.max(11, Math.min(20, side / 5 / dense)) * dense;
      pen.font = "600 " + size + "px system-ui, sans-serif";
      const width = pen.measureText(name).width;
      if (rank >= 12 && width > side * 2.2 && zoom < 12) continue;
      const there = left + (label.x + 0.5) * zoom, y = top + (label.y + 0.5) * zoom;
      if (there < 0 || y < 0 || there > canvas.width || y > canvas.height) continue;
      const x = Math.max(width / 2 + 4 * dense, Math.min(canvas.width - width / 2 - 4 * dense, there));
      if (taken.some(function (other) { return Math.abs(other.x - x) < (other.width + width) / 2 && Math.abs(other.y - y) < size * 1.2; })) continue;
      taken.push({ x: x, y: y, width: width });
      pen.lineWidth = 3.5 * dense;
      pen.strokeStyle = "#0e1116";
      pen.strokeText(name, x, y);
      pen.fillStyle = "#ffffff";
      pen.fillText(name, x, y);
    }
    const across = 120 * dense / zoom;
    document.getElementById("scale").textContent = "Scale: a square of this width, 120 pixels, has room for " + Math.round(across * across).toLocaleString("en") + " models.";
  }

  function script(address) {
    const tag = document.createElement("script");
    tag.src = address;
    document.head.append(tag);
  }

  function name(at) {
    const number = Math.floor(at / about.shard);
    if (shards.has(number)) return Promise.resolve(shards.get(number)[at % about.shard]);
    return new Promise(function (resolve) {
      if (!waiting.has(number)) { waiting.set(number, []); script(frame.dataset.names + number + ".js"); }
      waiting.get(number).push(function () { resolve(shards.get(number)[at % about.shard]); });
    });
  }

  function under(x, y) {
    const dense = window.devicePixelRatio || 1;
    const column = Math.floor((x * dense - left) / zoom), row = Math.floor((y * dense - top) / zoom);
    if (column < 0 || row < 0 || column >= about.width || row >= about.height) return -1;
    return cells[row * about.width + column];
  }

  function parent(at) {
    const depth = bytes[at * about.stride + 4];
    for (let above = at - 1; depth && above >= 0; above--) if (bytes[above * about.stride + 4] < depth) return above;
    return -1;
  }

  async function showTip(at, x, y) {
    if (at < 0) { tip.hidden = true; return; }
    const id = await name(at);
    const above = parent(at);
    const lines = [id];
    if (above >= 0) lines.push("from " + await name(above));
    for (const each of about.layers) lines.push(each.title + ": " + each.legend[code(at, each)].word);
    const downloads = bytes[at * about.stride + 5];
    lines.push(downloads ? "about " + Math.round(2 ** downloads).toLocaleString("en") + " downloads" : "no downloads known");
    tip.replaceChildren(...lines.map(function (line, place) {
      const part = document.createElement(place ? "div" : "strong");
      part.textContent = line;
      return part;
    }));
    tip.hidden = false;
    const box = canvas.getBoundingClientRect();
    tip.className = "tip";
    const sheetRule = tip.style;
    sheetRule.left = Math.min(x + 14, box.width - tip.offsetWidth - 8) + "px";
    sheetRule.top = Math.min(y + 14, box.height - tip.offsetHeight - 8) + "px";
  }

  async function open(at) {
    if (at < 0) return;
    const id = await name(at);
    if (!exported) { location.href = "/models/" + id.split("/").map(encodeURIComponent).join("/"); return; }
    if (pages[id]) location.href = "models/" + pages[id];
    else state.textContent = id + " has no page in this export.";
  }

  function scale(factor, x, y) {
    const before = zoom;
    zoom = Math.max(0.2, Math.min(64, zoom * factor));
    left = x - (x - left) * zoom / before;
    top = y - (y - top) * zoom / before;
    draw();
  }

  function centre(at) {
    zoom = Math.max(zoom, 16);
    left = canvas.width / 2 - (view.getUint16(at * about.stride, true) + 0.5) * zoom;
    top = canvas.height / 2 - (view.getUint16(at * about.stride + 2, true) + 0.5) * zoom;
    draw();
    const box = canvas.getBoundingClientRect();
    showTip(at, box.width / 2, box.height / 2);
  }

  function listen() {
    let held = null;
    canvas.addEventListener("pointerdown", function (event) {
      held = { x: event.offsetX, y: event.offsetY, left: left, top: top, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", function (event) {
      const dense = window.devicePixelRatio || 1;
      if (held) {
        const [x, y] = [event.offsetX - held.x, event.offsetY - held.y];
        if (Math.abs(x) + Math.abs(y) > 4) held.moved = true;
        left = held.left + x * dense;
        top = held.top + y * dense;
        draw();
      } else showTip(under(event.offsetX, event.offsetY), event.offsetX, event.offsetY);
    });
    canvas.addEventListener("pointerup", function (event) {
      if (held && !held.moved) open(under(event.offsetX, event.offsetY));
      held = null;
    });
    canvas.addEventListener("pointerleave", function () { tip.hidden = true; });
    canvas.addEventListener("wheel", function (event) {
      event.preventDefault();
      const dense = window.devicePixelRatio || 1;
      scale(event.deltaY < 0 ? 1.25 : 0.8, event.offsetX * dense, event.offsetY * dense);
    }, { passive: false });
    const middle = function (factor) { scale(factor, canvas.width / 2, canvas.height / 2); };
    canvas.addEventListener("keydown", function (event) {
      const step = 60 * (window.devicePixelRatio || 1);
      const box = canvas.getBoundingClientRect();
      const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
      if (moves[event.key]) { left += moves[event.key][0]; top += moves[event.key][1]; draw(); }
      else if (event.key === "+" || event.key === "=") middle(1.5);
      else if (event.key === "-") middle(1 / 1.5);
      else if (event.key === "0") fit();
      else if (event.key === "Enter") { open(under(box.width / 2, box.height / 2)); return; }
      else return;
      event.preventDefault();
      showTip(under(box.width / 2, box.height / 2), box.width / 2, box.height / 2);
    });
    document.getElementById("closer").addEventListener("click", function () { middle(1.5); });
    document.getElementById("further").addEventListener("click", function () { middle(1 / 1.5); });
    document.getElementById("whole").addEventListener("click", fit);
    document.getElementById("layer").addEventListener("change", function (event) { layer = Number(event.target.value); paint(); });
    window.addEventListener("resize", fit);
    const find = document.getElementById("find");
    if (find) find.addEventListener("change", function () { seek(find.value.trim().toLowerCase()); });
  }

  // Without a server the names are looked through file by file.
  async function seek(text) {
    if (!text) return;
    const found = [];
    for (let at = 0; at < about.models && found.length < 20; at += about.shard) {
      state.textContent = "Looking for " + text + " …";
      await name(at);
      shards.get(at / about.shard).forEach(function (id, place) {
        if (id.toLowerCase().includes(text)) found.push([id.toLowerCase() === text ? 0 : 1, at + place, id]);
      });
      if (found.some(function (each) { return each[0] === 0; })) break;
    }
    found.sort(function (a, b) { return a[0] - b[0] || a[1] - b[1]; });
    document.getElementById("matches").replaceChildren(...found.slice(0, 20).map(function (each) {
      const option = document.createElement("option");
      option.value = each[2];
      return option;
    }));
    state.textContent = found.length ? found[0][2] : "No model has this name.";
    if (found.length) centre(found[0][1]);
  }

  return {
    chart: function (described, payload) {
      about = described;
      unpack(payload);
      listen();
      fit();
      paint();
      state.textContent = about.models.toLocaleString("en") + " models, placeholders included";
      frame.dataset.drawn = String(Math.round(performance.now()));
    },
    names: function (number, names) {
      shards.set(number, names);
      for (const resolve of waiting.get(number) || []) resolve();
    },
    pages: function (found) { pages = found; },
  };
})();
