// Search one collection by a text, a vector or a point, and show what is found.

import { ask, Unsendable } from "./api.js";
import { collection, onList } from "./collections.js";
import { byId, fill, make, say, several, tell } from "./dom.js";
import { parse, pointId, show } from "./json.js";

const KINDS = ["text", "vector", "id"];
let running = null;

/** Bind the form. */
export function bind() {
  onList(offer);
  byId("collection").addEventListener("change", chosen);
  for (const kind of KINDS) {
    byId(`by-${kind}`).addEventListener("change", arrange);
  }
  byId("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
}

/** Forget what was found. */
export function clear() {
  running?.abort();
  running = null;
  say(byId("search-status"), "");
  tell(byId("search-problem"), null);
  fill(byId("results"));
}

function offer(found) {
  const select = byId("collection");
  const before = select.value;
  const options = found.map((one) => make("option", { value: one.name }, one.name));
  fill(select, ...(options.length ? options : [make("option", { value: "" }, "none yet")]));
  const kept = found.some((one) => one.name === before);
  if (kept) {
    select.value = before;
  }
  chosen({ kept });
}

/** Fit the form to the collection: it may take no text, and have several vectors. */
function chosen({ kept = false } = {}) {
  const one = collection(byId("collection").value);
  const text = byId("by-text");
  text.disabled = !one?.embedding;
  say(byId("kind-help"), one && !one.embedding ? `${one.name} embeds no text.` : "");
  if (text.disabled && text.checked) {
    byId("by-vector").checked = true;
  } else if (!text.disabled && !kept) {
    text.checked = true;
  }
  const names = one ? [...one.vectors, ...one.sparse_vectors].map((vector) => vector.name) : [];
  const usings = names.map((name) => make("option", { value: name }, name || "(unnamed)"));
  fill(byId("using"), ...usings);
  byId("using-field").hidden = names.length < 2;
  const sizes = (one?.vectors ?? []).map((v) => `${v.name ? `${v.name}: ` : ""}${v.size} numbers`);
  say(byId("vector-help"), sizes.length ? `Such as [0.1, 0.2, …]; ${sizes.join(", ")}.` : "");
  arrange();
}

function kind() {
  return KINDS.find((one) => byId(`by-${one}`).checked);
}

function arrange() {
  for (const field of document.querySelectorAll("[data-kind]")) {
    field.hidden = field.dataset.kind !== kind();
  }
}

async function search() {
  clear();
  const current = (running = new AbortController());
  const status = byId("search-status");
  try {
    const name = byId("collection").value;
    const body = asked(name);
    say(status, "Searching …");
    const started = performance.now();
    const path = `/collections/${encodeURIComponent(name)}/search`;
    const { results } = await ask(path, { body, signal: current.signal });
    if (running !== current) {
      return;
    }
    const took = Math.round(performance.now() - started);
    say(status, `${several(results.length, "result")} of ${name} in ${took} ms.`);
    fill(byId("results"), ...results.map(result));
  } catch (error) {
    if (running === current) {
      say(status, "");
      tell(byId("search-problem"), error);
    }
  }
}

/** The body of the search that the form asks for. Raises `Unsendable`. */
function asked(name) {
  if (!name) {
    throw new Unsendable("Choose a collection first.");
  }
  const body = { limit: Number(byId("limit").value) };
  const one = collection(name);
  if (one && !byId("using-field").hidden) {
    body.using = byId("using").value;
  }
  if (kind() === "text") {
    body.text = required("text", "Write a text to search by.");
  } else if (kind() === "vector") {
    body.vector = json("vector", required("vector", "Write a vector to search by."));
  } else {
    body.id = pointId(required("point", "Write the id of a point."));
  }
  const filter = byId("filter").value.trim();
  if (filter) {
    body.filter = json("filter", filter);
  }
  return body;
}

function required(id, words) {
  const text = byId(id).value.trim();
  if (!text) {
    byId(id).focus();
    throw new Unsendable(words);
  }
  return text;
}

function json(id, text) {
  try {
    return parse(text);
  } catch (error) {
    byId(id).focus();
    throw new Unsendable(`The ${id} is no JSON: ${error.message}`);
  }
}

function result(found) {
  const id = typeof found.id === "string" ? found.id : show(found.id);
  const like = make("button", { type: "button" }, "Search like this");
  like.setAttribute("aria-label", `Search like ${id}`);
  like.addEventListener("click", () => {
    byId("by-id").checked = true;
    arrange();
    byId("point").value = id;
    search();
    byId("point").focus();
  });
  const head = make(
    "div",
    { class: "bar" },
    make("h3", {}, id),
    make("span", { class: "score" }, `score ${Number(found.score).toFixed(4)}`),
    like,
  );
  const payload = show(found.payload ?? {}, 2);
  return make("li", {}, head, make("pre", {}, payload));
}
