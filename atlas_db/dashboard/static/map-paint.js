"use strict";
// Paints each region of the map onto a sheet of its own: cells, shallow water, coasts and borders of branches.
(function (atlas) {
  const SHEET = 3200;
  let painted = 0;
  const style = function (name) { return getComputedStyle(atlas.frame).getPropertyValue(name).trim(); };
  const rgb = function (colour) { return [1, 3, 5].map(function (at) { return parseInt(colour.slice(at, at + 2), 16); }); };
  const pixel = function (colour, alpha) { return ((alpha << 24) | (colour[2] << 16) | (colour[1] << 8) | colour[0]) >>> 0; };
  const mix = function (one, other, share) { return one.map(function (value, at) { return Math.round(value + (other[at] - value) * share); }); };

  atlas.theme = function () {
    const found = {};
    for (const name of ["sea", "shallow", "coast", "fog", "dim", "label", "owner", "halo", "mark"]) found[name] = style("--map-" + name);
    return found;
  };

  // Colours of each code of a layer: [whole, filtered out], each by class of downloads, brighter with more.
  atlas.palette = function (layer, theme) {
    const steps = atlas.layer("downloads").legend.length;
    return layer.legend.map(function (entry) {
      const ink = rgb(entry.colour);
      return Array.from({ length: steps }, function (_, step) {
        const share = step / (steps - 1);
        return share < 0.5 ? mix(ink, rgb(theme.sea), 0.26 * (0.5 - share) * 2) : mix(ink, [255, 255, 255], 0.28 * (share - 0.5) * 2);
      });
    });
  };
  atlas.css = function (colour) { return "rgb(" + colour.join(",") + ")"; };

  // Water next to land, as flags of the region's cells.
  function shallows(region) {
    const out = new Uint8Array(region.cells.length), width = region.width;
    for (let cell = 0; cell < region.cells.length; cell++) {
      if (region.cells[cell] < 0) continue;
      const column = cell % width;
      for (let down = -2; down <= 2; down++) {
        for (let across = Math.max(-2, -column); across <= Math.min(2, width - 1 - column); across++) {
          const away = Math.abs(down) + Math.abs(across);
          const other = cell + down * width + across;
          if (away > 2 || other < 0 || other >= out.length) continue;
          out[other] = Math.max(out[other], 3 - away);
        }
      }
    }
    return out;
  }

  function paint(region, open) {
    const size = Math.max(1, Math.min(6, Math.floor(SHEET / Math.max(region.width, region.height))));
    if (!region.sheet) {
      region.sheet = document.createElement("canvas");
      region.sheet.width = region.width * size;
      region.sheet.height = region.height * size;
      region.size = size;
      region.shallows = shallows(region);
    }
    const theme = atlas.theme(), across = region.width * size;
    const picture = new ImageData(across, region.height * size);
    const out = new Uint32Array(picture.data.buffer);
    const fog = rgb(theme.fog), coast = rgb(theme.coast), dim = rgb(theme.dim);
    const colours = atlas.palette(atlas.shown, theme).map(function (steps) { return steps.map(function (each) { return pixel(each, 255); }); });
    const borders = atlas.palette(atlas.shown, theme).map(function (steps) { return steps.map(function (each) { return pixel(mix(each, coast, 0.55), 255); }); });
    const coasts = pixel(coast, 255), faintCoast = pixel(mix(dim, coast, 0.5), 255), flat = pixel(fog, 255), faint = pixel(dim, 255), faintBorder = pixel(mix(dim, coast, 0.35), 255);
    const shore = [0, pixel(rgb(theme.shallow), 120), pixel(rgb(theme.shallow), 255)];
    const downloads = atlas.layer("downloads"), status = atlas.layer("status");
    const guessed = status.legend.findIndex(function (entry) { return entry.word === "predicted"; });
    const white = pixel([255, 255, 255], 255);
    const { width, cells } = region, water = region.shallows, { bytes, family, branch } = atlas, stride = atlas.about.stride;
    const ink = atlas.shown, line = Math.max(1, Math.round(size / 6)), wet = region.name !== "sea", plain = !open && !atlas.filtered;
    const block = function (start, left, top, right, bottom, value) {
      for (let row = top; row < bottom; row++) out.fill(value, start + row * across + left, start + row * across + right);
    };
    const whole = size === 1 ? function (start, value) { out[start] = value; } : function (start, value) { block(start, 0, 0, size, size, value); };
    for (let cell = 0; cell < cells.length; cell++) {
      const model = cells[cell];
      if (model < 0 && !(wet && water[cell])) continue;
      const row = Math.floor(cell / width), column = cell - row * width, start = row * size * across + column * size;
      if (model < 0) { whole(start, shore[water[cell]]); continue; }
      if (plain) { whole(start, flat); continue; }
      const base = model * stride, kept = atlas.fails[model] === 0;
      const shown = (bytes[base + ink.byte] >> ink.shift) & ink.mask, step = (bytes[base + downloads.byte] >> downloads.shift) & downloads.mask;
      whole(start, kept ? colours[shown][step] : faint);
      if (size > 2 && kept && bytes[base + 4] > 127) block(start, 1, 1, size - 1, size - 1, coasts);
      if (size > 2 && kept && atlas.code(model, status) === guessed) block(start, size >> 1, size >> 1, (size >> 1) + 1, (size >> 1) + 1, white);
      if (!wet) continue;
      const border = kept ? borders[shown][step] : faintBorder;
      const side = function (other, left, top, right, bottom) {
        if (other < 0 || family[other] !== family[model]) { if (size > 1) block(start, left, top, right, bottom, kept ? coasts : faintCoast); else out[start] = border; }
        else if (size > 1 && branch[other] !== branch[model]) block(start, left, top, right, bottom, border);
      };
      side(column > 0 ? cells[cell - 1] : -1, 0, 0, line, size);
      side(column < width - 1 ? cells[cell + 1] : -1, size - line, 0, size, size);
      side(row > 0 ? cells[cell - width] : -1, 0, 0, size, line);
      side(row < region.height - 1 ? cells[cell + width] : -1, 0, size - line, size, size);
    }
    region.sheet.getContext("2d").putImageData(picture, 0, 0);
    region.open = open;
    region.painted = ++painted;
    region.stale = false;
  }

  // Whether the models of a region are shown one by one: the land always, the rest on demand or from near.
  atlas.isOpen = function (region) { return region.name === "land" || atlas.opened || region.scale * atlas.camera.zoom > 2.5; };
  atlas.paint = function (region) {
    const open = atlas.isOpen(region);
    if (region.first + region.models > atlas.loaded) return false;
    if (!region.sheet || region.stale || region.open !== open) paint(region, open);
    return true;
  };
  atlas.repaint = function () { for (const region of atlas.regions) region.stale = true; atlas.draw(); };
})(ATLAS);
