// Which page is shown: the overview, or one object. The address after # says it.

import { el } from "./elements.js";
import { clock } from "./words.js";
import { Overview } from "./overview.js";
import { ObjectPage } from "./object.js";

const main = document.getElementById("main");
const trouble = document.getElementById("trouble");
const fresh = document.getElementById("fresh");

/** What pages tell of their asking: `ok` with the answer, `failed` with the trouble. */
const teller = {
  ok(answer) {
    trouble.hidden = true;
    if (answer.title) document.getElementById("title").textContent = answer.title;
    fresh.textContent = `as of ${clock(Date.now() / 1000)}`;
    fresh.classList.remove("old");
  },
  failed(error) {
    trouble.hidden = false;
    trouble.textContent = error.message;
    fresh.classList.add("old");
  },
};

let page = null;

function show() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const parts = path.split("/").filter(Boolean).map(plain);
  if (page && page.moved(parts, new URLSearchParams(query ?? ""))) return;
  page?.end();
  trouble.hidden = true;
  main.replaceChildren();
  if (!parts.length) {
    page = new Overview(main, teller, new URLSearchParams(query ?? ""));
  } else if (parts.length === 3 && ["scaledobjects", "scaledjobs"].includes(parts[0])) {
    page = new ObjectPage(main, teller, parts);
  } else {
    page = null;
    main.append(el("p", { class: "empty" }, "There is no such page. ", el("a", { href: "#/" }, "All objects")));
  }
}

function plain(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

addEventListener("hashchange", show);
show();
