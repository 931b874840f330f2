// All objects: a table of fifty at a time, with a search and counts by state.

import { Repeating, json } from "./asking.js";
import { STATES, el, pill, put } from "./elements.js";
import { amount, dated, number, seconds, size } from "./words.js";
import { spark } from "./plot.js";

const PAUSE_S = 3;
const MOST_METRICS = 3;

export class Overview {
  constructor(main, teller, query) {
    this.teller = teller;
    this.filters = el("div", { class: "filters", role: "group", "aria-label": "Filter by state" });
    this.search = el("input", {
      type: "search", placeholder: "Find by kind, namespace or name", "aria-label": "Find objects", maxlength: 200,
      on: { input: () => this.go({ q: this.search.value, page: "" }, true) },
    });
    this.lacks = el("div");
    this.body = el("div", { id: "objects" });
    this.paging = el("nav", { class: "paging", "aria-label": "Pages" });
    main.append(el("div", { class: "bar" }, el("h1", {}, "Objects"), this.search), this.filters, this.lacks, this.body, this.paging);
    this.moved([], query, true);
    this.repeating = new Repeating(PAUSE_S, (isOver) => this.ask(isOver), (error) => teller.failed(error));
  }

  /** Whether the address is still this page's; then it shows what the address says. */
  moved(parts, query, isFirst = false) {
    if (parts.length) return false;
    this.query = Object.fromEntries(["q", "state", "page"].map((name) => [name, query.get(name) ?? ""]));
    if (this.search.value !== this.query.q) this.search.value = this.query.q;
    if (!isFirst) this.repeating.now();
    return true;
  }

  end() {
    this.repeating.end();
  }

  address(changes) {
    const kept = Object.entries({ ...this.query, ...changes }).filter(([, value]) => value);
    const query = new URLSearchParams(kept).toString();
    return `#/${query ? `?${query}` : ""}`;
  }

  go(changes, isTyping = false) {
    const address = this.address(changes);
    if (isTyping) history.replaceState(null, "", address);
    else location.hash = address;
    this.moved([], new URLSearchParams(address.split("?")[1] ?? ""));
  }

  async ask(isOver) {
    const asked = JSON.stringify(this.query);
    const found = await json(`/api/overview?${new URLSearchParams(this.query)}`);
    if (isOver() || asked !== JSON.stringify(this.query)) return;
    this.teller.ok(found);
    document.title = "tidegate";
    this.isLocal = found.isLocal;
    put(this.filters, [found.counts, this.query.state], () => this.chips(found.counts));
    put(this.lacks, found.lacks, (lacks) => lacks.map((one) => el("p", { class: "alert" }, one)));
    put(this.body, [found.objects, this.query, found.total], () => this.table(found));
    put(this.paging, [found.page, found.pages, found.matching], () => this.pages(found));
  }

  chips(counts) {
    const words = [["all", "All"], ...Object.entries(STATES).map(([state, [word]]) => [state, word])];
    return words
      .filter(([state]) => state === "all" || counts[state] || this.query.state === state)
      .map(([state, word]) => {
        const isChosen = (this.query.state || "all") === state;
        const href = this.address({ state: state === "all" ? "" : state, page: "" });
        return el("a", { class: `chip ${state}`, href, "aria-current": isChosen ? "true" : null }, `${word} `, el("b", {}, number(counts[state])));
      });
  }

  table(found) {
    if (!found.objects.length) return this.empty(found);
    const now = seconds(found.at);
    const titles = ["Object", "State", "Metric", "Value", "Target", "Size", "Lately", "Why"];
    const head = titles.map((one) => el("th", { scope: "col", class: one === "Value" || one === "Target" ? "amount" : null }, one));
    return el("table", { class: "objects" },
      el("thead", {}, el("tr", {}, head)),
      el("tbody", {}, found.objects.map((one) => this.row(one, now))));
  }

  row(one, now) {
    const href = `#/${one.plural}/${encodeURIComponent(one.namespace)}/${encodeURIComponent(one.name)}`;
    const metrics = one.metrics.slice(0, MOST_METRICS);
    const more = one.metrics.length - metrics.length;
    const lines = (tell) => metrics.map((metric) => el("div", {}, tell(metric)));
    const why = one.why || one.reason?.text || "";
    return el("tr", { class: one.state },
      el("td", { "data-title": "Object" },
        el("a", { class: "name", href }, one.name),
        el("div", { class: "quiet" }, `${one.kind} in ${one.namespace}`)),
      el("td", { "data-title": "State" }, pill(one.state), one.isFallback ? el("div", { class: "quiet" }, "by fallback") : null),
      el("td", { "data-title": "Metric", class: "metric" }, lines((metric) => metric.name), more > 0 ? el("div", { class: "quiet" }, `and ${more} more`) : null),
      el("td", { "data-title": "Value", class: "amount" }, lines((metric) => amount(metric, metric.value))),
      el("td", { "data-title": "Target", class: "amount quiet" }, lines((metric) => amount(metric, metric.target))),
      el("td", { "data-title": "Size", class: "size" }, size(one), el("div", { class: "quiet" }, bounds(one))),
      el("td", { "data-title": "Lately", class: "spark" }, spark(one.spark, now)),
      el("td", { "data-title": "Why", class: "why" }, el("div", { class: one.why ? "bad" : null, title: why }, dated(why, now))));
  }

  empty(found) {
    if (found.total) {
      return el("div", { class: "empty" },
        el("p", {}, `None of ${number(found.total)} objects is like that.`),
        el("p", {}, el("a", { href: "#/" }, "Show all")));
    }
    return el("div", { class: "empty" },
      el("h2", {}, "Nothing is scaled yet"),
      el("p", {}, "There is no ScaledObject and no ScaledJob. Apply one, and it appears here within seconds:"),
      el("pre", {}, "kubectl apply -f your-scaledobject.yaml"),
      this.isLocal
        ? el("p", {}, "In a checkout of Tidegate ", el("code", {}, "kubectl apply -f examples/queue-worker/"), " is a worker and its queue to try.")
        : el("p", {}, "An operator that follows some namespaces only (", el("code", {}, "WATCH_NAMESPACE"), ") shows those alone."));
  }

  pages(found) {
    if (found.pages < 2) return [];
    const link = (page, word, is) => is
      ? el("a", { href: this.address({ page: String(page) }) }, word)
      : el("span", { class: "quiet" }, word);
    return [
      link(found.page - 1, "← Earlier", found.page > 1),
      el("span", {}, `page ${number(found.page)} of ${number(found.pages)}, ${number(found.matching)} objects`),
      link(found.page + 1, "Later →", found.page < found.pages),
    ];
  }
}

function bounds(one) {
  if (one.maximum === null || one.maximum === undefined) return "";
  return one.minimum ? `${number(one.minimum)} to ${number(one.maximum)}` : `at most ${number(one.maximum)}`;
}
