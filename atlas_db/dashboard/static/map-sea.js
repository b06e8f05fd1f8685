"use strict";
// The sea by task or by author: the same models at other places, read on demand.
(function (atlas) {
  let asked = null, deliver = null;
  const places = { task: null, author: null };
  atlas.grouping = "task";
  const sea = function () { return atlas.regions.find(function (region) { return region.name === "sea"; }); };

  atlas.authors = function (about, payload) {
    const raw = atob(payload), bytes = new Uint8Array(raw.length);
    for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
    const view = new DataView(bytes.buffer), models = raw.length / 8;
    const found = { width: about.width, height: about.height, titles: about.titles, x: new Uint16Array(models), y: new Uint16Array(models), zone: new Uint32Array(models) };
    for (let model = 0; model < models; model++) {
      found.x[model] = view.getUint16(8 * model, true);
      found.y[model] = view.getUint16(8 * model + 2, true);
      found.zone[model] = view.getUint32(8 * model + 4, true);
    }
    // A high window turns the map.
    if (atlas.high) { [found.x, found.y] = [found.y, found.x]; [found.width, found.height] = [found.height, found.width]; }
    places.author = found;
    deliver();
  };

  atlas.group = async function (grouping) {
    const region = sea();
    if (!region || grouping === atlas.grouping) return;
    const last = region.first + region.models;
    if (!places.task) places.task = { width: region.width, height: region.height, x: atlas.x.slice(region.first, last), y: atlas.y.slice(region.first, last) };
    if (grouping === "author" && !places.author) {
      asked = asked || new Promise(function (resolve) { deliver = resolve; atlas.script(atlas.frame.dataset.names.replace("names/", "authors.js")); });
      await asked;
    }
    const to = places[grouping];
    atlas.grouping = grouping;
    atlas.x.set(to.x, region.first);
    atlas.y.set(to.y, region.first);
    region.width = to.width;
    region.height = to.height;
    region.cells = new Int32Array(to.width * to.height).fill(-1);
    for (let model = region.first; model < last; model++) region.cells[atlas.y[model] * to.width + atlas.x[model]] = model;
    region.sheet = null;
    atlas.arrange();
    atlas.place();
  };

  // Whether a name on the map stands for a model, among others.
  atlas.holds = function (name, model) {
    if (name.zone === undefined) return name.first <= model && model < name.first + name.models;
    return model >= name.region.first && places.author.zone[model - name.region.first] === name.zone;
  };

  // Names of the zones of authors, with their middle and extent.
  atlas.authorNames = function () {
    const region = sea(), { titles, zone } = places.author;
    const found = titles.map(function (title, at) {
      return { kind: "zone", zone: at, models: 0, text: title, name: title, owner: "", region: region, x: 0, y: 0, box: [Infinity, Infinity, -Infinity, -Infinity] };
    });
    for (let at = 0; at < zone.length; at++) {
      const name = found[zone[at]], [x, y] = atlas.spot(region.first + at), box = name.box;
      name.models++;
      name.x += x; name.y += y;
      box[0] = Math.min(box[0], x); box[1] = Math.min(box[1], y); box[2] = Math.max(box[2], x); box[3] = Math.max(box[3], y);
    }
    for (const name of found) { name.x /= name.models; name.y /= name.models; name.side = Math.sqrt(name.models) * region.scale; }
    return found;
  };
})(ATLAS);
