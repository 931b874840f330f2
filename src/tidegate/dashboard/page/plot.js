// Plots: steps over time, as SVG. A point holds until the next; where a value was unknown, the plot is hatched.

import { el, svg } from "./elements.js";
import { clock, short } from "./words.js";

const HEIGHT = 164;
const MARGIN = { left: 52, right: 12, top: 24, bottom: 24 };
let count = 0;

/** Steps of an axis that people can read: 1, 2 or 5 times a power of ten. */
export function ticks(most, wanted = 4, least = 0) {
  const rough = Math.max((most || 1) / wanted, least);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
  const found = [];
  for (let place = 0; place < most + step * 0.999; place += step) found.push(Number(place.toPrecision(12)));
  return found.length > 1 ? found : [0, step];
}

/** Minutes between the marks of a time axis. */
function minutes(range, width) {
  const wanted = Math.max(2, width / 90);
  return [1, 2, 5, 10, 15, 30, 60, 120].find((one) => range / 60 / one <= wanted) ?? 240;
}

/** The values within a time, with what held at its beginning: [from, to, value]. */
export function steps(points, from, to) {
  const found = [];
  points.forEach(([moment, value], place) => {
    const end = place + 1 < points.length ? points[place + 1][0] : to;
    if (end > from && moment < to) found.push([Math.max(moment, from), Math.min(end, to), value]);
  });
  return found;
}

/** The value at a moment; undefined where nothing is recorded, null where nobody knew. */
function at(points, moment) {
  let found;
  for (const [since, value] of points) {
    if (since > moment) break;
    found = value;
  }
  return found;
}

/** One plot. `update()` draws it anew and keeps the pointer's reading. */
export class Plot {
  constructor({ title, unit, isWhole = false, scale = 1 }) {
    Object.assign(this, { title, unit, isWhole, scale, pointer: null });
    this.id = `hatch-${(count += 1)}`;
    this.heading = el("h3", {}, title);
    this.now = el("span", { class: "now" });
    this.note = el("span", { class: "quiet" });
    this.drawing = svg("svg", { class: "plot", role: "img" });
    this.reading = el("div", { class: "reading", "aria-hidden": "true" });
    this.element = el("figure", { class: "plotted" },
      el("figcaption", {}, this.heading, this.now, this.note), this.drawing, this.reading);
    this.drawing.addEventListener("pointermove", (event) => this.point(event.clientX - this.drawing.getBoundingClientRect().left));
    this.drawing.addEventListener("pointerleave", () => this.point(null));
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** `series`: [{name, points, kind: "line" | "area", tell}], `lines`: [{name, value}], from and to in seconds. */
  update({ series, lines = [], from, to, now, note }) {
    Object.assign(this, { series, lines, from, to });
    this.now.textContent = now;
    this.note.textContent = note ?? "";
    this.draw();
  }

  draw() {
    if (!this.series) return;
    this.width = Math.max(240, this.element.clientWidth);
    const inner = this.width - MARGIN.left - MARGIN.right;
    const drawn = this.series.map((one) => ({ ...one, steps: steps(one.points, this.from, this.to) }));
    const values = drawn.flatMap((one) => one.steps.map((step) => step[2])).filter((one) => one !== null);
    const most = Math.max(...values, 0);
    const lines = this.lines.filter((one) => one.value !== null && one.value <= Math.max(most * 2, 1));
    const marks = ticks(Math.max(most, ...lines.map((one) => one.value)) / this.scale, 4, this.isWhole ? 1 : 0).map((one) => one * this.scale);
    const top = marks.at(-1);
    this.x = (moment) => MARGIN.left + ((moment - this.from) / (this.to - this.from)) * inner;
    const low = HEIGHT - MARGIN.bottom;
    const y = (value) => low - (Math.max(0, value) / top) * (low - MARGIN.top);
    this.drawing.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.drawing.setAttribute("height", HEIGHT);
    this.drawing.setAttribute("aria-label", `${this.title}, ${this.unit}: now ${this.now.textContent}; highest ${short(most)} since ${clock(this.from)}`);
    this.cross = svg("line", { class: "cross", y1: MARGIN.top, y2: low, x1: 0, x2: 0, visibility: "hidden" });
    this.drawing.replaceChildren(
      this.pattern(),
      ...this.unrecorded(drawn, low),
      ...marks.map((value) => svg("line", { class: "grid", x1: MARGIN.left, x2: this.width - MARGIN.right, y1: y(value), y2: y(value) })),
      ...marks.map((value) => svg("text", { class: "tick", x: MARGIN.left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value / this.scale))),
      ...this.times(inner, low),
      ...lines.map((one) => svg("line", { class: "bound", x1: MARGIN.left, x2: this.width - MARGIN.right, y1: y(one.value), y2: y(one.value) })),
      ...lines.map((one) => svg("text", { class: "tick", x: this.width - MARGIN.right - 4, y: y(one.value) - 4, "text-anchor": "end" }, one.name)),
      ...drawn.flatMap((one) => this.shape(one, y, low)),
      svg("text", { class: "unit", x: 0, y: 12 }, this.unit),
      this.cross);
    this.whole = `${clock(this.from, { isShort: true })} to ${clock(this.to, { isShort: true })}${values.length ? `, highest ${this.series.at(-1).tell(most)}` : ""}`;
    this.point(this.pointer);
  }

  pattern() {
    return svg("defs", {},
      svg("pattern", { id: this.id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
        svg("line", { class: "hatch", x1: 0, x2: 0, y1: 0, y2: 6 })));
  }

  /** What lies before the first point was not recorded. */
  unrecorded(drawn, low) {
    const first = Math.min(...drawn.map((one) => one.steps[0]?.[0] ?? this.to));
    if (first - this.from < (this.to - this.from) / 50) return [];
    const width = this.x(first) - MARGIN.left;
    const words = first >= this.to ? "nothing recorded yet" : "not recorded";
    return [
      svg("rect", { class: "unrecorded", x: MARGIN.left, y: MARGIN.top, width, height: low - MARGIN.top }),
      width > 110 ? svg("text", { class: "tick", x: MARGIN.left + width / 2, y: (low + MARGIN.top) / 2, "text-anchor": "middle" }, words) : svg("g"),
    ];
  }

  times(inner, low) {
    const every = 60 * minutes(this.to - this.from, inner);
    const offset = new Date(this.to * 1000).getTimezoneOffset() * 60;
    const found = [];
    const begin = Math.ceil((this.from - offset) / every) * every + offset;
    for (let moment = begin; moment <= this.to; moment += every) {
      const x = this.x(moment);
      found.push(svg("line", { class: "mark", x1: x, x2: x, y1: low, y2: low + 4 }));
      if (x > MARGIN.left + 14 && x < this.width - 20) {
        found.push(svg("text", { class: "tick", x, y: low + 17, "text-anchor": "middle" }, clock(moment, { isShort: true })));
      }
    }
    return found;
  }

  shape(one, y, low) {
    const found = [];
    let path = "";
    let begin = 0;
    const close = (end) => {
      if (!path) return;
      const x = this.x;
      if (one.kind === "area") found.push(svg("path", { class: `area ${one.class}`, d: `${path} L ${x(end)} ${low} L ${x(begin)} ${low} Z` }));
      found.push(svg("path", { class: `line ${one.class}`, d: path }));
      path = "";
    };
    let last = 0;
    for (const [from, to, value] of one.steps) {
      const [left, right] = [this.x(from), this.x(to)];
      if (value === null) {
        close(from);
        if (!one.isQuiet) found.push(svg("rect", { class: "gap", x: left, y: MARGIN.top, width: Math.max(1, right - left), height: low - MARGIN.top, fill: `url(#${this.id})` }));
      } else {
        if (!path) begin = from;
        path += `${path ? " L" : "M"} ${left} ${y(value)} L ${right} ${y(value)}`;
      }
      last = to;
    }
    close(last);
    return found;
  }

  /** What stood at the moment under the pointer. */
  point(x) {
    this.pointer = x;
    const isInside = x !== null && this.series && x >= MARGIN.left && x <= this.width - MARGIN.right;
    this.cross.setAttribute("visibility", isInside ? "visible" : "hidden");
    if (!isInside) {
      this.reading.textContent = this.whole ?? "";
      return;
    }
    const moment = this.from + ((x - MARGIN.left) / (this.width - MARGIN.left - MARGIN.right)) * (this.to - this.from);
    this.cross.setAttribute("x1", x);
    this.cross.setAttribute("x2", x);
    const told = this.series.map((one) => {
      const value = at(one.points, moment);
      return `${one.name}: ${value === undefined ? "not recorded" : value === null ? "unknown" : one.tell(value)}`;
    });
    this.reading.textContent = `${clock(moment)}  ${told.join(", ")}`;
  }
}

/** How a size went, as a line as small as a word. */
export function spark(points, now) {
  const [width, height] = [96, 24];
  const known = points.filter(([, value]) => value !== null);
  if (!known.length) return el("span", { class: "quiet" }, "–");
  const from = Math.min(points[0][0], now - 60);
  const most = Math.max(...known.map(([, value]) => value), 1);
  const x = (moment) => ((moment - from) / Math.max(1, now - from)) * width;
  const y = (value) => height - 2 - (value / most) * (height - 4);
  let path = "";
  let isOpen = false;
  for (const [begin, end, value] of steps(points, from, now)) {
    if (value !== null) path += ` ${isOpen ? "L" : "M"} ${x(begin).toFixed(1)} ${y(value).toFixed(1)} L ${x(end).toFixed(1)} ${y(value).toFixed(1)}`;
    isOpen = value !== null;
  }
  return svg("svg", { class: "sparked", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `highest ${short(most)} since ${clock(from)}` },
    svg("path", { class: "line first", d: path }));
}
