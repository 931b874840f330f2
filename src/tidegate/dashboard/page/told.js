// The explanation of an object as tables and lists.

import { el } from "./elements.js";
import { amount, clock, counted, dated, distance, number, seconds, span } from "./words.js";

// How each pod begins: no cause for alarm.
const BEGINNING = "not ready yet";
const NOTHING = "Nothing was decided about this object yet.";

/** What somebody should look at, the worst first. */
export function alerts({ glance, problem, explanation: found }, now) {
  const lines = [];
  const say = (text, kind = "alert") => text && lines.push(el("p", { class: kind }, dated(text, now)));
  say(glance.why || problem);
  if (problem && problem !== glance.why && glance.why && !problem.includes(glance.why)) say(problem);
  for (const one of found?.notReady ?? []) {
    const who = one.pods ? `${counted(one.pods, found.jobs ? "unfinished Job" : "pod")} not ready: ` : "";
    say(`${who}${one.why}`, one.why === BEGINNING ? "note" : "warning");
  }
  if (found?.failing) {
    const who = found.failing.jobs === 1 ? "The last Job" : `The last ${number(found.failing.jobs)} Jobs`;
    say(`${who} failed: ${found.failing.why || "nobody says why"}`, "warning");
  }
  say(found?.unseen, "warning");
  for (const one of found?.rivals ?? []) {
    say(`The ${one.kind} ${one.name} scales the same target: the two undo each other's counts. Delete one of them.`, "warning");
  }
  for (const [name, value] of Object.entries(found?.annotations ?? {})) say(`Annotation ${name}: "${value}"`, "note");
  for (const one of found?.notices ?? []) say(one, "note");
  return lines;
}

export function triggers(found, now) {
  if (!found) return quiet(NOTHING);
  if (!found.triggers.length) return quiet("It has no trigger that could be read.");
  const head = ["Trigger", "State", "Metric", "Value", "Target", "Asks for", "Read"];
  const rows = found.triggers.flatMap((one) => trigger(found, one, now));
  return [
    el("table", {}, el("thead", {}, el("tr", {}, head.map((word) => el("th", { scope: "col", class: AMOUNTS.has(word) ? "amount" : null }, word)))), el("tbody", {}, rows)),
    found.formula ? formula(found.formula) : null,
  ];
}

const AMOUNTS = new Set(["Value", "Target", "Asks for"]);

function trigger(found, one, now) {
  const lines = (tell) => one.metrics.map((metric) => el("div", {}, tell(metric)));
  const per = (metric) => metric.targetType === "AverageValue" ? ` per ${found.jobs ? "Job" : "replica"}` : "";
  const rows = [el("tr", {},
    el("td", { "data-title": "Trigger" }, el("b", {}, one.type), one.name ? ` ${one.name}` : "", one.summary ? el("div", { class: "quiet" }, one.summary) : null),
    el("td", { "data-title": "State", class: "short" }, state(one)),
    el("td", { "data-title": "Metric", class: "metric" }, lines((metric) => metric.container ? `${metric.name} of ${metric.container}` : metric.name)),
    el("td", { "data-title": "Value", class: "amount" }, lines((metric) => amount(metric, metric.value))),
    el("td", { "data-title": "Target", class: "amount" }, lines((metric) => metric.target === null ? "–" : `${amount(metric, metric.target)}${per(metric)}`),
      one.activation === null || one.activation === undefined ? null : el("div", { class: "quiet" }, `active above ${number(one.activation)}`)),
    el("td", { "data-title": "Asks for", class: "amount" }, lines((metric) => metric.replicas === null ? "–" : counted(metric.replicas, "replica"))),
    el("td", { "data-title": "Read", class: "quiet" }, read(one, now)))];
  for (const [text, kind] of [[one.failure, "bad"], ...one.notices.map((notice) => [notice, "quiet"])]) {
    if (text) rows.push(el("tr", { class: "continued" }, el("td", { colspan: 7, class: kind }, dated(text, now))));
  }
  return rows;
}

function state(one) {
  if (!one.isAsked && one.state !== "native") return "not asked: correct it first";
  if (one.state === "native") return "read by the HPA";
  return one.isFallback ? `${one.state}, by fallback` : one.state;
}

function read(one, now) {
  const said = [];
  if (one.age_s !== null) said.push(one.failure ? `failed ${span(one.age_s)} ago` : `${span(one.age_s)} ago`);
  else if (one.readAt) said.push(distance(seconds(one.readAt), now));
  if (one.failure && one.failedPolls > 1) said.push(`${number(one.failedPolls)} polls in a row`);
  if (one.isPushed) said.push("woken by its server");
  if (one.nextPoll) {
    const word = one.pollingInterval === null ? "changes" : one.isHeld ? "tried again" : "next";
    said.push(`${word} ${distance(seconds(one.nextPoll), now)}`);
  }
  return said.map((text) => el("div", {}, text));
}

function formula(one) {
  const aim = one.target === null ? "" : ` (target ${number(one.target)}, active above ${number(one.activation)})`;
  const asks = one.replicas === null ? "" : `, asks for ${counted(one.replicas, "replica")}`;
  return el("p", {}, `${one.name}: ${amount(one, one.value)} = `, el("code", {}, one.formula), `${aim}${asks}`, one.failure ? el("div", { class: "bad" }, one.failure) : null);
}

/** The chain of reasons of the last decision. */
export function reasons(found, now) {
  if (!found?.reasons.length) return quiet(NOTHING);
  return [
    el("p", { class: "quiet" }, `Decided ${distance(seconds(found.decidedAt), now)}, at ${clock(seconds(found.decidedAt))}.`),
    el("ol", { class: "chain" }, found.reasons.map((one) => el("li", {}, dated(one.text, now), " ", el("code", { class: "quiet" }, one.code)))),
  ];
}

export function outlook(found, now) {
  if (!found) return quiet(NOTHING);
  if (!found.outlook.length) return quiet("Nothing that is known beforehand.");
  return el("ul", { class: "chain" }, found.outlook.map((one) => {
    const when = one.at && !one.text.includes(one.at) ? `, at ${one.at}` : "";
    return el("li", {}, dated(`${one.text}${when}`, now));
  }));
}

export function hpa(found, now) {
  const one = found?.hpa;
  if (!one) return [];
  const states = {
    resting: "It rests: it looks at nothing while there are 0 replicas.",
    behind: "It has not looked since the last change.",
  };
  const wants = one.desiredReplicas === null ? "It has not said yet what it wants." : `It wants ${counted(one.desiredReplicas, "replica")}${one.leading ? `, because of ${one.leading}` : ""}.`;
  const looked = one.lookedAt ? ` Looked ${distance(seconds(one.lookedAt), now)}.` : "";
  const rows = one.state === "current" ? one.conditions : [];
  return el("section", {},
    el("h2", {}, `HPA ${one.name}`),
    el("p", {}, `${states[one.state] ?? wants}${looked}`),
    rows.length ? conditions(rows) : null);
}

export function claims(found, now) {
  const one = found?.claims;
  if (!one) return [];
  const rows = one.messages.map((message) => el("tr", {},
    el("td", { "data-title": "Message" }, message.id),
    el("td", { "data-title": "Job" }, message.job ?? "none yet"),
    el("td", { "data-title": "Attempt", class: "amount" }, number(message.attempt)),
    el("td", { "data-title": "Claimed" }, `${span(message.age_s)} ago`)));
  return el("section", {},
    el("h2", {}, "Claimed messages"),
    el("p", {}, one.isKnown ? `${counted(one.held, "message")} held of ${one.source}` : `It is not known yet how many messages of ${one.source} are held.`),
    one.failure ? el("p", { class: "alert" }, dated(one.failure, now)) : null,
    rows.length ? el("table", {}, header(["Message", "Job", "Attempt", "Claimed"]), el("tbody", {}, rows)) : null,
    one.held > rows.length ? quiet(`and ${number(one.held - rows.length)} more`) : null);
}

/** The last changes with their reasons, the newest first. */
export function history(found, now) {
  if (!found?.history.length) return quiet("No change yet: what is scaled, edited, paused or fails is told here.");
  return el("ol", { class: "history" }, [...found.history].reverse().map((one) => {
    const often = one.count > 1 ? ` × ${number(one.count)} since ${clock(seconds(one.since))}` : "";
    return el("li", { class: one.code },
      el("time", { datetime: one.at, title: one.at }, clock(seconds(one.at))),
      el("div", {}, el("b", {}, `${one.what}${often}`), one.reasons.map((reason) => el("div", { class: "quiet" }, dated(reason.text, now)))));
  }));
}

export function conditions(rows) {
  if (!rows.length) return quiet("None yet.");
  return el("table", {}, header(["Condition", "Status", "Reason", "Message"]),
    el("tbody", {}, rows.map((one) => el("tr", {},
      el("td", { "data-title": "Condition", class: "short" }, one.type), el("td", { "data-title": "Status", class: "short" }, one.status),
      el("td", { "data-title": "Reason", class: "short" }, one.reason ?? ""), el("td", { "data-title": "Message" }, one.message ?? "")))));
}

export function header(words) {
  return el("thead", {}, el("tr", {}, words.map((word) => el("th", { scope: "col", class: word === "Attempt" || word === "Restarts" ? "amount" : null }, word))));
}

export function quiet(text) {
  return el("p", { class: "quiet" }, text);
}
