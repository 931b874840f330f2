// Elements out of values. What comes from objects becomes text nodes and attributes, never HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (`class`, `on` with listeners, …) and children: elements or texts. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for drawings. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat(2).filter((one) => one !== null && one !== undefined && one !== ""));
  return element;
}

/** Puts a new content where it differs from what was put there last: what is selected or focused stays. */
export function put(place, value, make) {
  const text = JSON.stringify(value);
  if (place.shown === text) return;
  place.shown = text;
  place.replaceChildren(...[make(value)].flat().filter(Boolean));
}

export const STATES = {
  wrong: ["Not ready", "!"],
  failing: ["Cannot read", "!"],
  paused: ["Paused", "‖"],
  active: ["Active", "●"],
  idle: ["Idle", "○"],
  new: ["New", "…"],
};

/** A state as a word with a sign, so that colour is not needed to read it. */
export function pill(state) {
  const [word, sign] = STATES[state] ?? [state, "?"];
  return el("span", { class: `pill ${state in STATES ? state : "new"}` }, el("span", { "aria-hidden": "true" }, sign), ` ${word}`);
}
