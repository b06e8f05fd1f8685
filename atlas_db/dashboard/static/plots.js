"use strict";
// Draws each figure when it comes into sight, in the colours of the page.
(function () {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const PRINTED = 640;
  const draw = function (target, width) {
    const figure = JSON.parse(target.parentElement.querySelector("script").textContent);
    const style = getComputedStyle(document.documentElement);
    const [ink, line] = ["--ink", "--line"].map(function (name) { return style.getPropertyValue(name).trim(); });
    const axis = { gridcolor: line, zerolinecolor: line, automargin: true };
    const layout = Object.assign({ height: 320, width: width }, figure.layout, {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 14, family: "inherit" },
      margin: { l: 60, r: 16, t: 12, b: 48 }, legend: { orientation: "h", y: 1.02, yanchor: "bottom" },
    });
    layout.xaxis = Object.assign({}, axis, figure.layout.xaxis);
    layout.yaxis = Object.assign({}, axis, figure.layout.yaxis);
    // Names beside bars leave the bars their room.
    const bars = figure.data.find(function (part) { return part.orientation === "h"; }), room = Math.floor((width || target.clientWidth) / 14);
    if (bars && bars.y.some(function (name) { return String(name).length > room; })) {
      layout.yaxis.tickvals = bars.y;
      layout.yaxis.ticktext = bars.y.map(function (name) {
        const whole = String(name), letters = whole.length > room ? [...whole.slice(whole.indexOf("/") + 1)] : [...whole];
        return letters.length > room ? letters.slice(0, room - 1).join("") + "…" : letters.join("");
      });
    }
    Plotly.react(target, figure.data, layout, { displayModeBar: false, responsive: true });
  };
  const seen = new IntersectionObserver(function (entries) {
    for (const entry of entries) {
      if (entry.isIntersecting) { seen.unobserve(entry.target); draw(entry.target); }
    }
  }, { rootMargin: "400px" });
  const all = Array.from(document.querySelectorAll("[data-figure]"));
  for (const target of all) seen.observe(target);
  addEventListener("beforeprint", function () { for (const target of all) draw(target, PRINTED); });
  addEventListener("afterprint", function () { for (const target of all) draw(target); });
  dark.addEventListener("change", function () { for (const target of all) if (target.childElementCount) draw(target); });
})();
