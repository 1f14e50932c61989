// The plan of a manifest, made again while it is written.

import { asksForKey, call, key } from "./api.js";
import { byId, fill, make, prose, say, several, tell } from "./dom.js";

const PAUSE = 600; // Milliseconds without a letter, before what was written is planned.
const OUTCOMES = {
  valid: "valid",
  changes: "would change",
  "no changes": "no changes",
  stalled: "a person must act first",
  refused: "refused",
};
const SIGNS = { "+": "add", "-": "remove", "~": "change", "!": "stop" };

let running = null;
let timer = null;

/** Bind the form. */
export function bind() {
  byId("plan-form").addEventListener("submit", (event) => {
    event.preventDefault();
    plan();
  });
  byId("manifest").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(plan, PAUSE);
  });
}

/** Forget the last plan. */
export function clear() {
  clearTimeout(timer);
  running?.abort();
  running = null;
  say(byId("plan-status"), "");
  tell(byId("plan-problem"), null);
  fill(byId("planned"));
}

async function plan() {
  clear();
  const manifest = byId("manifest").value;
  const status = byId("plan-status");
  if (!manifest.trim()) {
    return;
  }
  if (asksForKey && !key.get()) {
    say(status, "Give a key first.");
    return;
  }
  const current = (running = new AbortController());
  say(status, "Planning …");
  try {
    const found = await call("console/plan", { body: { manifest }, signal: current.signal });
    if (running === current) {
      show(found);
    }
  } catch (error) {
    if (running === current) {
      say(status, "No plan.");
      tell(byId("plan-problem"), error);
    }
  }
}

function show({ compared, planned, notes }) {
  const changing = planned.filter((one) => one.outcome === "changes").length;
  const stopped = planned.filter((one) => ["stalled", "refused"].includes(one.outcome)).length;
  const parts = [several(planned.length, "collection") + " planned"];
  if (changing) {
    parts.push(`${changing} would change`);
  }
  if (stopped) {
    parts.push(`${stopped} cannot be carried out`);
  }
  say(byId("plan-status"), `${parts.join(", ")}.`);
  fill(
    byId("planned"),
    ...planned.map(collection),
    ...notes.map((note) => make("p", {}, note)),
    make("p", { class: "help" }, ...prose(compared), " Nothing was changed."),
  );
}

function collection({ name, outcome, lines }) {
  const word = make("span", { class: "outcome", "data-outcome": outcome }, OUTCOMES[outcome] ?? outcome);
  const box = make("article", {}, make("h3", {}, name, " ", word));
  if (lines.length) {
    box.append(make("ul", { class: "steps" }, ...lines.map(step)));
  }
  return box;
}

function step(line) {
  const kind = SIGNS[line[0]] ?? "note";
  return make("li", { "data-step": kind }, line);
}
