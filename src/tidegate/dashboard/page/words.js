// Numbers, amounts and moments for people.

const MOMENT = /[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]+)?Z/g;

/** `1,234.5`; at most `digits` after the point, and none where the number is large. */
export function number(value, digits = 2) {
  if (value === null || value === undefined) return "?";
  if (Math.abs(value) < 1) return value.toLocaleString("en", { maximumSignificantDigits: 3 });
  const most = Math.abs(value) >= 1000 ? 0 : digits;
  return value.toLocaleString("en", { maximumFractionDigits: most, useGrouping: true });
}

/** `12k`, `3.4M`: for axes. */
export function short(value) {
  const size = Math.abs(value);
  if (size >= 1e15) return value.toExponential(1);
  for (const [least, letter] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= least) return `${number(value / (letter === "k" ? 1e3 : least), 1)}${letter}`;
  }
  return number(value);
}

/** `1 replica`, `3 replicas`. */
export function counted(count, word) {
  return `${number(count)} ${word}${count === 1 ? "" : "s"}`;
}

/** A metric's value with its unit: cpu and memory have one, of others nobody knows it. */
export function amount(metric, value) {
  if (value === null || value === undefined) return "?";
  if (metric.targetType === "Utilization" || metric.name.endsWith(" %")) return `${number(value)} %`;
  if (metric.name === "cpu") return `${number(value, 3)} cores`;
  if (metric.name === "memory") return bytes(value);
  return number(value, 3);
}

/** The unit that stands at an axis. */
export function unit(metric) {
  if (metric.targetType === "Utilization" || metric.name.endsWith(" %")) return "% of requests";
  if (metric.name === "cpu") return "cores per pod";
  if (metric.name === "memory") return "MiB per pod";
  return "value";
}

/** What one step of that unit is. */
export function scale(metric) {
  return unit(metric) === "MiB per pod" ? 2 ** 20 : 1;
}

function bytes(value) {
  for (const [size, name] of [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
    if (value >= size) return `${number(value / size, 1)} ${name}`;
  }
  return `${number(value)} B`;
}

/** A length of time: `4 min`. */
export function span(seconds) {
  const s = Math.abs(seconds);
  if (s < 1) return "a moment";
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} days`;
}

/** `4 min ago` or `in 20 s`. */
export function distance(moment, now) {
  const s = moment - now;
  return s > 0.5 ? `in ${span(s)}` : `${span(s)} ago`;
}

/** Seconds since the epoch of an RFC 3339 text. */
export function seconds(text) {
  return Date.parse(text) / 1000;
}

/** The time of day here, with the date where it is another day. */
export function clock(moment, { isShort = false } = {}) {
  const at = new Date(moment * 1000);
  const two = (part) => String(part).padStart(2, "0");
  const time = `${two(at.getHours())}:${two(at.getMinutes())}${isShort ? "" : `:${two(at.getSeconds())}`}`;
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday || isShort ? time : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

/** A text of the server with its moments on the clock of this machine. */
export function dated(text, now) {
  return String(text).replace(MOMENT, (found) => {
    const moment = seconds(found);
    return Number.isNaN(moment) ? found : `${clock(moment)} (${distance(moment, now)})`;
  });
}

/** How large an object is: replicas with those that are ready, or Jobs by what became of them. */
export function size(entry) {
  if (entry.jobs) {
    const { unfinished, succeeded, failed } = entry.jobs;
    const ended = [succeeded ? `${number(succeeded)} done` : "", failed ? `${number(failed)} failed` : ""];
    return [counted(unfinished, "Job"), ...ended].filter(Boolean).join(", ");
  }
  if (entry.replicas === null) return "?";
  const ready = entry.replicas && entry.ready !== null ? `, ${number(entry.ready)} ready` : "";
  return `${counted(entry.replicas, "replica")}${ready}`;
}
