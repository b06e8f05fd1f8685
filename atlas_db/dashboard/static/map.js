"use strict";
// The map's data: decoded from script files, so that the same page works from a disk.
const ATLAS = (function () {
  const frame = document.querySelector(".map");
  const atlas = {
    frame: frame, exported: frame.dataset.static === "1", about: null, loaded: 0, ready: [], listed: [],
    // A high window turns the map by exchanging columns and rows.
    high: window.innerHeight > window.innerWidth,
  };
  const shards = new Map(), waiting = new Map();
  let pages = {}, authors = {};

  function unpack(text, first) {
    const raw = atob(text), at = first * atlas.about.stride;
    for (let place = 0; place < raw.length; place++) atlas.bytes[at + place] = raw.charCodeAt(place);
    const view = new DataView(atlas.bytes.buffer), last = first + raw.length / atlas.about.stride;
    for (let model = first; model < last; model++) {
      const base = model * atlas.about.stride;
      const across = view.getUint16(base, true), down = view.getUint16(base + 2, true);
      atlas.x[model] = atlas.high ? down : across;
      atlas.y[model] = atlas.high ? across : down;
    }
    for (const region of atlas.regions) {
      if (region.first < first || region.first >= last) continue;
      for (let model = region.first; model < region.first + region.models; model++) {
        region.cells[atlas.y[model] * region.width + atlas.x[model]] = model;
      }
    }
    settle(first, last);
    atlas.loaded = last;
  }

  // The first model of each family, and of the branch of the root that a model is in.
  function settle(first, last) {
    let family = first, branch = first;
    for (let model = first; model < last; model++) {
      const depth = atlas.depth(model);
      if (depth === 0) { family = model; branch = model; }
      if (depth === 1) branch = model;
      atlas.family[model] = family;
      atlas.branch[model] = branch;
    }
    // Branches of a few models share the root's country.
    for (let model = first; model < last;) {
      let next = model + 1;
      while (next < last && atlas.branch[next] === atlas.branch[model]) next++;
      if (next - model < 6) atlas.branch.fill(atlas.family[model], model, next);
      model = next;
    }
  }

  // The land at the left, isles and sea in a column at its right; below it in a high window.
  atlas.arrange = function () {
    const land = atlas.regions[0];
    const along = atlas.high ? "width" : "height", across = atlas.high ? "height" : "width";
    const gap = land[along] * 0.04;
    const filled = atlas.regions.slice(1).filter(function (region) { return region.models; });
    const slope = filled.reduce(function (sum, region) { return sum + region[along] / region[across]; }, 0);
    const room = land[along] - gap * (filled.length - 1);
    let start = 0, widest = 0;
    land.scale = 1;
    land.left = land.top = 0;
    for (const region of filled) {
      region.scale = Math.min(1, room / slope / region[across]);
      region[atlas.high ? "left" : "top"] = start;
      region[atlas.high ? "top" : "left"] = land[across] + gap;
      start += region[along] * region.scale + gap;
      widest = Math.max(widest, region[across] * region.scale);
    }
    const size = {};
    size[along] = Math.max(land[along], start - gap);
    size[across] = land[across] + (filled.length ? gap + widest : 0);
    atlas.width = size.width;
    atlas.height = size.height;
    atlas.regions = [land, ...filled];
  };

  atlas.depth = function (model) { return atlas.bytes[model * atlas.about.stride + 4] & 127; };
  atlas.isOrigin = function (model) { return atlas.bytes[model * atlas.about.stride + 4] > 127; };
  atlas.code = function (model, layer) { return (atlas.bytes[model * atlas.about.stride + layer.byte] >> layer.shift) & layer.mask; };
  atlas.layer = function (name) { return atlas.about.layers.find(function (each) { return each.name === name; }); };
  atlas.word = function (model, name) { const layer = atlas.layer(name); return layer.legend[atlas.code(model, layer)].word; };
  atlas.region = function (model) {
    return atlas.regions.find(function (each) { return model >= each.first && model < each.first + each.models; });
  };
  atlas.spot = function (model) {
    const region = atlas.region(model);
    return [region.left + (atlas.x[model] + 0.5) * region.scale, region.top + (atlas.y[model] + 0.5) * region.scale];
  };
  atlas.under = function (x, y) {
    for (const region of atlas.regions) {
      const column = Math.floor((x - region.left) / region.scale), row = Math.floor((y - region.top) / region.scale);
      if (column >= 0 && row >= 0 && column < region.width && row < region.height) return region.cells[row * region.width + column];
    }
    return -1;
  };
  atlas.parent = function (model) {
    const depth = atlas.depth(model);
    for (let above = model - 1; depth && above >= 0; above--) if (atlas.depth(above) < depth) return above;
    return -1;
  };
  atlas.descendants = function (model) {
    const region = atlas.region(model), last = region.first + region.models;
    if (region.name === "sea") return 0;
    let next = model + 1;
    while (next < last && atlas.depth(next) > atlas.depth(model)) next++;
    return next - model - 1;
  };
  atlas.path = function (model) {
    const found = [];
    for (let at = model; at >= 0; at = atlas.parent(at)) found.push(at);
    return found;
  };

  atlas.script = function (address) {
    const tag = document.createElement("script");
    tag.src = address;
    document.head.append(tag);
  };

  atlas.shard = function (number) {
    if (shards.has(number)) return Promise.resolve(shards.get(number));
    return new Promise(function (resolve) {
      if (!waiting.has(number)) { waiting.set(number, []); atlas.script(frame.dataset.names + number + ".js"); }
      waiting.get(number).push(resolve);
    });
  };
  atlas.name = async function (model) {
    return (await atlas.shard(Math.floor(model / atlas.about.shard)))[model % atlas.about.shard];
  };
  // The name if its file is there; else the file is asked for, and the map drawn again.
  atlas.nameNow = function (model) {
    const number = Math.floor(model / atlas.about.shard);
    if (shards.has(number)) return shards.get(number)[model % atlas.about.shard];
    if (!waiting.has(number)) atlas.shard(number).then(function () { atlas.draw(); });
    return null;
  };
  // The address of a model's page; null where an export has none.
  atlas.page = function (id) {
    if (!atlas.exported) return "/models/" + id.split("/").map(encodeURIComponent).join("/");
    return pages[id] ? "models/" + pages[id] : null;
  };

  function call(listeners) { for (const listener of listeners) listener(); }

  atlas.chart = function (about, payload) {
    atlas.about = about;
    atlas.bytes = new Uint8Array(about.models * about.stride);
    atlas.x = new Uint16Array(about.models);
    atlas.y = new Uint16Array(about.models);
    atlas.family = new Int32Array(about.models);
    atlas.branch = new Int32Array(about.models);
    atlas.regions = about.regions.map(function (region) {
      const [width, height] = atlas.high ? [region.height, region.width] : [region.width, region.height];
      return Object.assign({}, region, { width: width, height: height, cells: new Int32Array(width * height).fill(-1) });
    });
    atlas.arrange();
    unpack(payload, 0);
    atlas.names_ = about.labels.map(function (label) { return ["family", label.first, label.models, label.id]; });
    call(atlas.ready);
    frame.dataset.drawn = String(Math.round(performance.now()));
    atlas.script(frame.dataset.names.replace("names/", "sea.js"));
    atlas.script(frame.dataset.names.replace("names/", "places.js"));
  };
  atlas.rest = function (payload) { unpack(payload, atlas.about.regions[0].models); whole(); };
  atlas.places = function (found) { atlas.names_ = found; whole(); };
  let awaited = 2;
  function whole() {
    if (--awaited) return;
    call(atlas.listed);
    frame.dataset.whole = String(Math.round(performance.now()));
  }
  atlas.names = function (number, names) {
    shards.set(number, names);
    for (const resolve of waiting.get(number) || []) resolve(names);
  };
  atlas.pages = function (models, owners) { pages = models; authors = owners; };
  atlas.authorPage = function (name) {
    if (!atlas.exported) return "/author/" + encodeURIComponent(name);
    return authors[name] ? "authors/" + authors[name] : null;
  };
  return atlas;
})();
