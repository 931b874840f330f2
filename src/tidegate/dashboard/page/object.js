// One object: how it went, what its triggers say, why it has its number, its pods and their logs.

import { Repeating, json } from "./asking.js";
import { el, pill, put } from "./elements.js";
import { Plot } from "./plot.js";
import { Pods } from "./pods.js";
import * as told from "./told.js";
import { amount, clock, dated, distance, number, scale, seconds, size, unit } from "./words.js";

const PAUSE_S = 3;
const RANGES = [[900, "15 min"], [3600, "1 hour"], [21600, "6 hours"]];
const MOST_PLOTS = 12;

export class ObjectPage {
  constructor(main, teller, parts) {
    Object.assign(this, { main, teller, parts, plots: new Map(), range: 0 });
    this.path = parts.map(encodeURIComponent).join("/");
    this.places = Object.fromEntries(
      ["head", "alerts", "ranges", "plots", "triggers", "why", "outlook", "hpa", "claims", "history", "conditions"].map((name) => [name, el("div")]));
    this.pods = new Pods(this.path);
    const { head, alerts, ranges, plots, triggers, why, outlook, hpa, claims, history, conditions } = this.places;
    plots.className = "plots";
    this.whole = el("div", {},
      head, alerts,
      section("How it went", ranges, plots),
      section("Triggers", triggers),
      el("div", { class: "columns" }, section("Why this number", why), section("What would change it", outlook)),
      hpa, claims,
      section("Pods and logs", this.pods.element),
      section("History", history),
      section("Conditions", conditions));
    main.append(this.whole);
    this.repeating = new Repeating(PAUSE_S, (isOver) => this.ask(isOver), (error) => this.failed(error));
  }

  moved(parts) {
    return parts.join("/") === this.parts.join("/");
  }

  end() {
    this.repeating.end();
    this.pods.end();
  }

  async ask(isOver) {
    const found = await json(`/api/objects/${this.path}`);
    if (isOver()) return;
    if (this.lost) {
      this.lost.remove();
      this.lost = null;
      this.whole.hidden = false;
    }
    this.teller.ok(found);
    this.show(found);
    this.pods.follow(found.explanation?.kind ?? found.glance.kind);
  }

  failed(error) {
    if (error.code !== 404) {
      this.teller.failed(error);
      return;
    }
    // It is gone, or never was: nothing old may look like something that is.
    this.whole.hidden = true;
    this.lost?.remove();
    this.lost = el("div", { class: "empty" }, el("p", {}, error.message), el("p", {}, el("a", { href: "#/" }, "All objects")));
    this.main.append(this.lost);
  }

  show(found) {
    const { glance, explanation, conditions } = found;
    const now = found.at;
    const places = this.places;
    document.title = `${glance.name} · tidegate`;
    put(places.head, [glance, explanation?.decidedAt, Math.floor(now / 5)], () => head(glance, explanation, now));
    put(places.alerts, [glance.why, found.problem, explanation?.notReady, explanation?.failing, explanation?.unseen, explanation?.rivals, explanation?.notices, explanation?.annotations],
      () => told.alerts(found, now));
    this.draw(found);
    put(places.triggers, [explanation?.triggers, explanation?.formula, Math.floor(now / 3)], () => told.triggers(explanation, now));
    put(places.why, [explanation?.reasons, explanation?.decidedAt, Math.floor(now / 5)], () => told.reasons(explanation, now));
    put(places.outlook, [explanation?.outlook, explanation?.due, Math.floor(now / 5)], () => told.outlook(explanation, now));
    put(places.hpa, [explanation?.hpa, Math.floor(now / 5)], () => told.hpa(explanation, now));
    put(places.claims, [explanation?.claims, Math.floor(now / 5)], () => told.claims(explanation, now));
    put(places.history, [explanation?.history, Math.floor(now / 15)], () => told.history(explanation, now));
    put(places.conditions, conditions, () => told.conditions(conditions));
  }

  /** A plot of its size, and one for each metric, on one axis of time. */
  draw(found) {
    const now = found.at;
    // What was not watched yet is not shown as if it were empty.
    const first = Math.min(now - 60, ...Object.values(found.curves).map((points) => points[0]?.[0] ?? now));
    const recorded = now - first;
    const fitting = RANGES.find(([length]) => recorded <= length) ?? RANGES.at(-1);
    const range = this.range || Math.min(fitting[0], 3600);
    put(this.places.ranges, [range], () => el("div", { class: "filters", role: "group", "aria-label": "Time shown" },
      RANGES.map(([length, word]) => el("button", {
        type: "button", class: "chip", "aria-pressed": length === range ? "true" : "false",
        on: { click: () => { this.range = length; this.draw(found); } },
      }, word))));
    const axis = { from: Math.max(now - range, first), to: now };
    const wanted = [this.sized(found, axis), ...this.measured(found, axis)].slice(0, MOST_PLOTS);
    const keys = wanted.map((one) => one.key).join("\n");
    if (this.keys !== keys) {
      this.keys = keys;
      this.plots = new Map(wanted.map((one) => [one.key, this.plots.get(one.key) ?? new Plot(one)]));
      this.places.plots.replaceChildren(...[...this.plots.values()].map((one) => one.element));
    }
    for (const one of wanted) this.plots.get(one.key).update({ ...axis, ...one });
  }

  sized({ glance, curves }) {
    if (glance.jobs !== null || glance.kind === "ScaledJob") {
      const series = [{ name: "unfinished", points: curves.jobs ?? [], kind: "area", class: "first", tell: (value) => number(value) }];
      return { key: "jobs", title: "Jobs", unit: "unfinished Jobs", isWhole: true, series, lines: [{ name: "maximum", value: glance.maximum }], now: number(glance.jobs?.unfinished), note: `at most ${number(glance.maximum)}` };
    }
    const series = [
      { name: "ready", points: curves.ready ?? [], kind: "area", class: "second", isQuiet: true, tell: (value) => number(value) },
      { name: "replicas", points: curves.replicas ?? [], kind: "line", class: "first", tell: (value) => number(value) },
    ];
    const note = `${glance.minimum ? `${number(glance.minimum)} to` : "at most"} ${number(glance.maximum)}; filled: ready`;
    return { key: "replicas", title: "Replicas", unit: "replicas", isWhole: true, series, lines: [{ name: "maximum", value: glance.maximum }], now: number(glance.replicas), note };
  }

  measured({ glance, curves, explanation }) {
    const told = new Map((explanation?.triggers ?? []).flatMap((one) => one.metrics.map((metric) => [metric.name, metric])));
    const seen = new Set();
    return glance.metrics.filter((one) => !seen.has(one.name) && seen.add(one.name)).map((one) => {
      const metric = { ...one, targetType: told.get(one.name)?.targetType ?? null };
      const isDirect = ["Value", "Utilization"].includes(metric.targetType) || ["cpu", "memory"].includes(one.name);
      const series = [{ name: one.name, points: curves[`metric:${one.name}`] ?? [], kind: "area", class: "third", tell: (value) => amount(metric, value) }];
      const lines = isDirect && metric.targetType !== null ? [{ name: "target", value: one.target }] : [];
      const per = metric.targetType === "AverageValue" ? (glance.kind === "ScaledJob" ? " per Job" : " per replica") : "";
      return { key: `metric:${one.name}`, title: one.name, unit: unit(metric), scale: scale(metric), series, lines, now: amount(metric, one.value), note: `target ${amount(metric, one.target)}${per}` };
    });
  }
}

function head(glance, explanation, now) {
  const facts = [
    ["Size", size(glance)],
    ["Bounds", glance.maximum === null ? "?" : `${number(glance.minimum ?? 0)} to ${number(glance.maximum)}`],
    ["Last decision", explanation?.decidedAt ? `${distance(seconds(explanation.decidedAt), now)}` : "none yet"],
  ];
  if (explanation?.due) facts.push(["Next without news", `${clock(seconds(explanation.due))} (${distance(seconds(explanation.due), now)})`]);
  return [
    el("p", { class: "crumbs" }, el("a", { href: "#/" }, "Objects"), ` / ${glance.kind} / ${glance.namespace}`),
    el("div", { class: "bar" }, el("h1", {}, glance.name), pill(glance.state), glance.isFallback ? el("span", { class: "pill failing" }, "Fallback counts") : null),
    el("dl", { class: "facts" }, facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, dated(value, now))))),
  ];
}

function section(title, ...content) {
  return el("section", {}, el("h2", {}, title), ...content);
}
