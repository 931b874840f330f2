// The pods of an object, and the end of a container's log while it is open.

import { Repeating, json, text } from "./asking.js";
import { el, put } from "./elements.js";
import { header, quiet } from "./told.js";
import { distance, number, seconds } from "./words.js";

const PODS_S = 6;
const LOG_S = 3;

export class Pods {
  constructor(path) {
    this.path = path;
    this.list = el("div");
    this.place = el("div");
    this.element = el("div", {}, this.list, this.place);
  }

  /** Begins with the first answer about the object: one that is not there has no pods. */
  follow(kind) {
    this.kind = kind;
    this.repeating ??= new Repeating(PODS_S, (isOver) => this.ask(isOver), (error) => this.failed(error));
  }

  end() {
    this.repeating?.end();
    this.log?.end();
  }

  async ask(isOver) {
    const found = await json(`/api/pods/${this.path}`);
    if (isOver()) return;
    put(this.list, [found, this.opened, Math.floor(Date.now() / 15000)], () => this.table(found));
  }

  failed(error) {
    if (error.code !== 404) put(this.list, error.message, () => el("p", { class: "warning" }, error.message));
  }

  table(found) {
    if (!found.total) {
      return quiet(this.kind === "ScaledJob" ? "No Job has a pod now." : "No pod now.");
    }
    const now = Date.now() / 1000;
    const rows = found.pods.flatMap((one) => this.rows(one, now));
    const left = found.total - found.pods.length;
    return [
      el("div", { class: "scrolled" }, el("table", {}, header(["Pod", "State", "Restarts", "Made", "Log"]), el("tbody", {}, rows))),
      left > 0 ? quiet(`and ${number(left)} older ones: kubectl get pods lists them all`) : null,
    ];
  }

  rows(one, now) {
    const state = one.isReady ? "Ready" : one.phase;
    return [el("tr", {},
      el("td", { "data-title": "Pod", class: "metric" }, one.name),
      el("td", { "data-title": "State" }, state, one.why && one.why !== state ? el("div", { class: "bad" }, one.why) : null),
      el("td", { "data-title": "Restarts", class: "amount" }, number(one.restarts)),
      el("td", { "data-title": "Made", class: "quiet" }, one.createdAt ? distance(seconds(one.createdAt), now) : "?"),
      el("td", { "data-title": "Log" }, one.containers.map((container) => this.button(one, container))))];
  }

  button(pod, container) {
    const name = `${pod.name}/${container.name}`;
    return el("button", {
      type: "button", class: "chip", disabled: !container.hasBegun, "aria-pressed": this.opened === name ? "true" : "false",
      "aria-label": `Log of container ${container.name} of pod ${pod.name}`,
      on: { click: () => this.open(pod.name, container) },
    }, container.name);
  }

  open(pod, container) {
    const name = `${pod}/${container.name}`;
    this.log?.end();
    this.log = null;
    this.place.replaceChildren();
    const isClosing = this.opened === name;
    this.opened = isClosing ? "" : name;
    if (!isClosing) {
      this.log = new Log(this.path, pod, container);
      this.place.append(this.log.element);
    }
    this.repeating?.now();
  }
}

class Log {
  constructor(path, pod, container) {
    this.path = `/api/logs/${path}/${encodeURIComponent(pod)}/${encodeURIComponent(container.name)}`;
    this.lines = el("pre", { class: "log", tabindex: 0, "aria-label": `Log of ${container.name}` });
    this.trouble = el("p", { class: "warning", hidden: true });
    this.before = el("input", { type: "checkbox", on: { change: () => this.repeating.now() } });
    const before = el("label", {}, this.before, " the run before the last restart");
    this.element = el("div", {},
      el("div", { class: "bar" }, el("h3", {}, `${pod} / ${container.name}`), container.hasEnded ? before : null, el("span", { class: "quiet" }, "the last 500 lines")),
      this.trouble, this.lines);
    this.repeating = new Repeating(LOG_S, (isOver) => this.ask(isOver), (error) => this.failed(error));
  }

  end() {
    this.repeating.end();
  }

  async ask(isOver) {
    const found = await text(`${this.path}${this.before.checked ? "?previous=true" : ""}`);
    if (isOver()) return;
    this.trouble.hidden = true;
    if (this.lines.textContent === found) return;
    const isAtEnd = this.lines.scrollHeight - this.lines.scrollTop - this.lines.clientHeight < 30;
    this.lines.textContent = found || "(nothing written yet)";
    if (isAtEnd) this.lines.scrollTop = this.lines.scrollHeight;
  }

  failed(error) {
    this.trouble.hidden = false;
    this.trouble.textContent = error.message;
    if (error.code === 403) this.trouble.append(" The operator may not read logs: on a cluster the chart's value dashboard.logs lets it.");
  }
}
