#include "report_html.h"

namespace elbo::viz::detail {

// The charts carry their colours as attributes, for the light page; the rules for svg turn them for the dark one.
const char* const report_style = R"css(:root {
  --page: #f6f6f3; --card: #ffffff; --ink: #1d1f23; --muted: #585d66; --line: #dfdfda; --accent: #0067a3;
  --shade: #f0f0ec;
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 76rem; background: var(--page); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Liberation Sans", sans-serif;
}
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 0 0 .8rem; font-size: 1.3rem; line-height: 1.25; }
h3 { margin: 1.4rem 0 .5rem; font-size: 1.02rem; overflow-wrap: anywhere; }
h2 + h3 { margin-top: 0; }
p { margin: 0 0 .8rem; max-width: 48rem; }
.lead { margin: .35rem 0 1rem; color: var(--muted); }
.note { padding: .6rem .9rem; border-left: 3px solid var(--accent); background: var(--shade); }
a { color: var(--accent); }
nav ul, .legend { display: flex; flex-wrap: wrap; margin: 0; padding: 0; list-style: none; }
nav ul { gap: .2rem 1.1rem; margin-bottom: 1.2rem; }
section {
  margin: 0 0 1.2rem; padding: 1.2rem 1.3rem; border: 1px solid var(--line); border-radius: 10px;
  background: var(--card);
}
section > :last-child, .plots > :last-child { margin-bottom: 0; }
figure { margin: 0 0 1rem; }
figcaption { margin-top: .4rem; color: var(--muted); font-size: .88rem; max-width: 48rem; }
.picture img {
  display: block; max-width: 100%; height: auto; padding: 5px; border: 1px solid var(--line); border-radius: 6px;
  background: #ffffff;
}
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .7rem; margin: 0; }
.tiles div { padding: .65rem .85rem; border-radius: 8px; background: var(--shade); }
.tiles dt { color: var(--muted); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.tiles small { display: block; color: var(--muted); font-size: .78rem; font-weight: 400; line-height: 1.35; }
.scroll { overflow-x: auto; margin-bottom: .8rem; }
.tiles + .scroll, .tiles + p { margin-top: 1rem; }
table { border-collapse: collapse; font-size: .92rem; }
caption { padding-bottom: .3rem; color: var(--muted); font-size: .85rem; text-align: left; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; }
thead th { font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 500; color: var(--muted); white-space: nowrap; }
.numbers td, .numbers thead th:not(:first-child) { padding-left: .6rem; text-align: right; }
.numbers td { white-space: nowrap; font-variant-numeric: tabular-nums; }
.differs td { font-weight: 600; }
summary { cursor: pointer; color: var(--accent); }
details[open] summary { margin-bottom: .6rem; }
.legend { gap: .15rem 1rem; margin-bottom: .7rem; font-size: .9rem; }
.legend li { display: flex; align-items: center; gap: .35rem; overflow-wrap: anywhere; }
.key { flex: none; }
.charts, .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: .6rem 1.2rem; }
.plots { grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); }
.chart h3 { margin: 0; }
.linear svg, .log svg, .plot-figure svg { display: block; width: 100%; height: auto; }
.chart { position: relative; max-width: 36rem; }
.log { display: none; }
#log-scale:checked ~ .charts .log { display: block; }
#log-scale:checked ~ .charts .linear { display: none; }
#log-scale { width: 1.05rem; height: 1.05rem; margin: 0 .3rem 0 0; vertical-align: -.15rem; accent-color: var(--accent); }
#log-scale + label { cursor: pointer; }
.legend-row { margin-top: .6rem; }
.tip {
  position: absolute; z-index: 1; padding: .4rem .6rem; border: 1px solid var(--line); border-radius: 6px;
  background: var(--card); color: var(--ink); font-size: .82rem; line-height: 1.4; pointer-events: none;
  width: max-content; box-shadow: 0 2px 10px rgb(0 0 0 / .18); font-variant-numeric: tabular-nums; max-width: 100%;
}
.tip b { display: block; }
.tip div { display: flex; align-items: center; gap: .35rem; }
.tip div span:last-child { margin-left: auto; padding-left: .8rem; font-weight: 600; }
.cursor { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 3 3; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
footer { color: var(--muted); font-size: .85rem; }
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; font-size: .9em; }
svg rect[fill="#ffffff"], svg circle[fill="#ffffff"] { fill: var(--card); }
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #131519; --card: #1c1f25; --ink: #e9e9e6; --muted: #a9afb8; --line: #353a43; --accent: #70bdf0;
    --shade: #252932;
  }
  svg text[fill="#333"], svg text[fill="#222"], svg text[fill="#111"] { fill: var(--ink); }
  svg text[fill="#555555"] { fill: var(--muted); }
  svg [stroke="#e4e4e4"] { stroke: #333841; }
  svg [stroke="#999999"]:not(path):not(circle) { stroke: #6a717c; }
  svg [stroke="#0072B2"] { stroke: #5b86ff; } svg [fill="#0072B2"] { fill: #5b86ff; }
  svg [stroke="#000000"] { stroke: #f2f2f2; } svg [fill="#000000"] { fill: #f2f2f2; }
  svg [stroke="#882255"] { stroke: #bd3377; } svg [fill="#882255"] { fill: #bd3377; }
  .picture img { border-color: transparent; filter: brightness(.92); }
}
@media (max-width: 36rem) {
  body { padding: 1rem .6rem 2rem; }
  section { padding: 1rem .8rem; }
  h1 { font-size: 1.5rem; }
  tbody th { white-space: normal; }
}
@media print {
  :root { --page: #ffffff; --shade: #f4f4f4; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav, #log-scale, #log-scale + label, details:not([open]), .tip { display: none; }
  section { border: 0; padding: 0; margin-bottom: 1.5rem; }
  h2, h3 { break-after: avoid; }
  figure, .tiles, .charts, tr { break-inside: avoid; }
  .charts { grid-template-columns: repeat(3, 1fr); }
  .plots { grid-template-columns: repeat(2, 1fr); }
  .scroll { overflow: visible; }
  table { font-size: 7.5pt; }
  .numbers td, .numbers thead th:not(:first-child) { padding: .2rem .25rem; }
  .picture img { max-height: 22cm; width: auto; }
}
)css";

// Values under the pointer, and under the arrow keys. A chart without this still shows its curves, and a table holds
// the values.
const char* const report_script = R"js((function () {
  'use strict';
  var svgSpace = 'http://www.w3.org/2000/svg';
  function element(tag, text) {
    var made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    return made;
  }
  function key(series) {
    var svg = document.createElementNS(svgSpace, 'svg'), path = document.createElementNS(svgSpace, 'path');
    svg.setAttribute('class', 'key'); svg.setAttribute('width', 18); svg.setAttribute('height', 10);
    path.setAttribute('d', 'M1 5H17'); path.setAttribute('stroke', series.color);
    path.setAttribute('stroke-width', 2.5);
    if (series.dashed) path.setAttribute('stroke-dasharray', '5 3');
    svg.appendChild(path);
    return svg;
  }
  function figure(value) { return Math.abs(value) >= 1 ? value.toFixed(2) : value.toPrecision(3); }

  document.querySelectorAll('.chart').forEach(function (chart) {
    var series = JSON.parse(chart.querySelector('script').textContent);
    var xs = Array.from(new Set([].concat.apply([], series.map(function (s) { return s.x; }))));
    xs.sort(function (a, b) { return a - b; });
    var tip = element('div');
    tip.className = 'tip'; tip.hidden = true; tip.setAttribute('role', 'status');
    chart.appendChild(tip);
    chart.querySelectorAll('svg').forEach(function (svg) {
      var plot = svg.querySelector('.plot');
      if (!plot || !xs.length) return;
      svg.querySelectorAll('circle title').forEach(function (title) { title.remove(); });
      var left = +plot.getAttribute('x'), width = +plot.getAttribute('width'), top = +plot.getAttribute('y');
      var low = +plot.dataset.low, high = +plot.dataset.high, at = -1;
      var cursor = document.createElementNS(svgSpace, 'line');
      cursor.setAttribute('class', 'cursor'); cursor.setAttribute('y1', top);
      cursor.setAttribute('y2', top + +plot.getAttribute('height')); cursor.style.display = 'none';
      svg.appendChild(cursor);
      function hide() { at = -1; tip.hidden = true; cursor.style.display = 'none'; }
      function show(index) {
        at = index;
        var x = left + (xs[index] - low) / (high - low) * width;
        cursor.setAttribute('x1', x); cursor.setAttribute('x2', x); cursor.style.display = '';
        tip.replaceChildren(element('b', 'epoch ' + xs[index]));
        series.forEach(function (s) {
          var i = s.x.indexOf(xs[index]);
          if (i < 0 || s.y[i] === null) return;
          var row = element('div');
          row.append(key(s), element('span', s.name), element('span', figure(s.y[i])));
          tip.append(row);
        });
        tip.hidden = false;
        var box = svg.getBoundingClientRect(), outer = chart.getBoundingClientRect();
        var px = box.left - outer.left + x / svg.viewBox.baseVal.width * box.width;
        var before = px + 14 + tip.offsetWidth > outer.width;
        tip.style.left = Math.max(0, before ? px - 14 - tip.offsetWidth : px + 14) + 'px';
        tip.style.top = box.top - outer.top + top / svg.viewBox.baseVal.height * box.height + 6 + 'px';
      }
      function nearest(event) {
        var box = svg.getBoundingClientRect();
        var x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
        var value = low + (x - left) / width * (high - low), best = 0;
        xs.forEach(function (one, i) { if (Math.abs(one - value) < Math.abs(xs[best] - value)) best = i; });
        show(best);
      }
      svg.setAttribute('tabindex', 0);
      svg.addEventListener('pointermove', nearest);
      svg.addEventListener('pointerdown', nearest);
      svg.addEventListener('pointerleave', hide);
      svg.addEventListener('blur', hide);
      svg.addEventListener('keydown', function (event) {
        var step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (event.key === 'Escape') hide();
        if (!step) return;
        event.preventDefault();
        show(at < 0 ? (step > 0 ? 0 : xs.length - 1) : Math.min(xs.length - 1, Math.max(0, at + step)));
      });
    });
  });
})();
)js";

}  // namespace elbo::viz::detail
