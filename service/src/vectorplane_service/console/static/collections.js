// The collections that the key may see: state, counts, vectors.

import { ask } from "./api.js";
import { byId, count, fill, make, say, several, tell } from "./dom.js";

const PAGE = 100;
const STATES = {
  green: "all is optimized",
  yellow: "optimizing",
  grey: "optimizations wait",
  red: "failed",
};

const known = new Map();
let cursor = null;
let running = null;
const listeners = [];

/** A collection that was listed, by its name. */
export const collection = (name) => known.get(name);

/** Call `listener` with all collections whenever they are listed. */
export function onList(listener) {
  listeners.push(listener);
}

/** List from the start. Answers whether the key was refused. */
export async function list() {
  cursor = null;
  const error = await page(new Map());
  return error?.status === 401;
}

/** List what comes next. */
export const listMore = () => page(new Map(known));

/** Show none, for it is not known who asks. */
export function clear(words) {
  running?.abort();
  running = null;
  cursor = null;
  show(new Map());
  tell(byId("collections-problem"), null);
  say(byId("collections-status"), words);
}

async function page(found) {
  running?.abort();
  const current = (running = new AbortController());
  const status = byId("collections-status");
  say(status, "Listing …");
  tell(byId("collections-problem"), null);
  try {
    const next = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const answer = await ask(`/collections?limit=${PAGE}${next}`, { signal: current.signal });
    if (running !== current) {
      return null;
    }
    for (const one of answer.collections) {
      found.set(one.name, one);
    }
    cursor = answer.next_cursor;
    show(found);
    const some = several(found.size, "collection");
    say(status, found.size ? `${some}${cursor ? ", and more" : ""}.` : "No collection yet.");
  } catch (error) {
    if (running !== current) {
      return null;
    }
    cursor = null;
    show(new Map());
    say(status, "");
    tell(byId("collections-problem"), error);
    return error;
  }
  return null;
}

function show(found) {
  known.clear();
  for (const [name, one] of found) {
    known.set(name, one);
  }
  const table = byId("collections-table");
  table.hidden = !found.size;
  fill(table.querySelector("tbody"), ...[...found.values()].map(row));
  const more = byId("more");
  if (cursor === null && document.activeElement === more) {
    byId("collections").focus();
  }
  more.hidden = cursor === null;
  listeners.forEach((listener) => listener([...found.values()]));
}

function row(one) {
  return make(
    "tr",
    { role: "row" },
    make("th", { role: "rowheader", scope: "row" }, one.name),
    cell("State", state(one.state)),
    cell("Points", count(one.points), "number"),
    cell("Indexed vectors", count(one.indexed_vectors), "number"),
    cell("Vectors", vectors(one) || "none"),
    cell("Embeds text", one.embedding ? `${one.embedding.provider} ${one.embedding.model}` : "no"),
  );
}

function cell(label, content, kind = "") {
  return make("td", { role: "cell", "data-label": label, class: kind }, content);
}

function state(word) {
  const means = STATES[word];
  return make("span", { class: "state", "data-state": word }, means ? `${word}: ${means}` : word);
}

/** The vectors in words: `4 Cosine`, `image 512 Dot, words sparse`. */
function vectors(one) {
  const dense = one.vectors.map((vector) => `${vector.name} ${vector.size} ${vector.distance}`.trim());
  return [...dense, ...one.sparse_vectors.map((vector) => `${vector.name} sparse`)].join(", ");
}
