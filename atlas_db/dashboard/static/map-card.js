"use strict";
// The card of the chosen model: its family, its path to the root, what came of it, and what it declares.
(function (atlas) {
  const card = document.getElementById("place");

  // How the models that came of one divide, the most first.
  function shares(model, below, name) {
    const layer = atlas.layer(name), counts = layer.legend.map(function (entry) { return [0, entry.word]; });
    for (let at = model + 1; at <= model + below; at++) counts[atlas.code(at, layer)][0]++;
    return counts.filter(function (each) { return each[0]; }).sort(function (one, other) { return other[0] - one[0]; })
      .map(function (each) { return each[0].toLocaleString("en") + " " + each[1]; }).join(", ");
  }

  // The card of the chosen model.
  atlas.describe = async function (model) {
    card.hidden = model < 0;
    if (model < 0) return;
    const path = atlas.path(model), id = await atlas.name(model), author = id.includes("/") ? id.slice(0, id.indexOf("/")) : "";
    const names = await Promise.all(path.map(atlas.name));
    if (atlas.chosen !== model) return;
    const page = atlas.page(id), title = document.createElement(page ? "a" : "span");
    if (page) title.href = page;
    title.textContent = id;
    const head = document.createElement("h2");
    head.append(title);
    const facts = document.createElement("dl");
    const fact = function (word, ...values) {
      const term = document.createElement("dt"), value = document.createElement("dd");
      term.textContent = word;
      value.append(...values);
      facts.append(term, value);
    };
    const jump = function (at) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "jump";
      button.textContent = names[path.indexOf(at)];
      button.addEventListener("click", function () { atlas.choose(at, true); });
      return button;
    };
    const root = path[path.length - 1], below = atlas.descendants(model);
    if (path.length > 1) {
      fact("family", jump(root), " " + (atlas.descendants(root) + 1).toLocaleString("en") + " models");
      const steps = [];
      for (const at of path.slice(0, -1)) steps.push((steps.length ? ", " : "") + atlas.word(at, "relation") + " of ", jump(path[path.indexOf(at) + 1]), " (" + atlas.word(at, "status") + ")");
      fact("path to the root", ...steps);
    } else fact("family", below ? "root of " + (below + 1).toLocaleString("en") + " models" : "no relatives known");
    if (below) {
      fact("came of it", shares(model, below, "relation"));
      fact("verdicts of these", shares(model, below, "verdict"));
    }
    const owner = author ? atlas.authorPage(author) : null;
    if (owner) {
      const more = document.createElement("a");
      more.href = owner;
      more.textContent = author;
      fact("author", more);
    } else if (author) fact("author", author);
    fact("licence", atlas.word(model, "license"));
    fact("verdict", atlas.word(model, "verdict"));
    fact("task", atlas.word(model, "task"));
    fact("downloads", atlas.word(model, "downloads"));
    fact("created", atlas.word(model, "month"));
    const links = document.createElement("p");
    links.className = "links";
    const link = function (text, address) {
      const found = document.createElement("a");
      found.href = address;
      found.textContent = text;
      links.append(found);
    };
    if (page) link("All about it", page);
    if (!atlas.exported && below) link("Its family tree", "/family?a=" + encodeURIComponent(id));
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "×";
    close.setAttribute("aria-label", "Close");
    close.className = "close";
    close.addEventListener("click", function () { atlas.choose(-1); document.getElementById("chart").focus(); });
    card.replaceChildren(close, head, facts, links);
    card.dataset.model = id;
  };
})(ATLAS);
