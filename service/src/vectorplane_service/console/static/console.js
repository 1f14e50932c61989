// The console: who asks, and what is asked first.

import { asksForKey, key } from "./api.js";
import * as collections from "./collections.js";
import { byId, say } from "./dom.js";
import * as plan from "./plan.js";
import * as search from "./search.js";

const NO_KEY = "Give a key to see what it may see.";

function start() {
  search.bind();
  plan.bind();
  byId("refresh").addEventListener("click", list);
  byId("more").addEventListener("click", collections.listMore);
  byId("key-form").hidden = !asksForKey;
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    use(byId("key").value.trim());
  });
  byId("forget").addEventListener("click", () => {
    use("");
    byId("key").focus();
  });
  list();
}

/** Take another key; an empty one is none. What the last one saw is gone. */
function use(text) {
  byId("key").value = "";
  if (text) {
    key.set(text);
  } else {
    key.forget();
  }
  search.clear();
  plan.clear();
  list();
}

async function list() {
  if (!asksForKey) {
    say(byId("access-status"), "Authentication is off: whoever reaches this page may do everything.");
  } else {
    say(byId("access-status"), key.get() ? "A key is in use." : "No key is in use.");
  }
  if (asksForKey && !key.get()) {
    collections.clear(NO_KEY);
    return;
  }
  if (await collections.list()) {
    say(byId("access-status"), "This key was refused.");
    byId("key").focus();
  }
}

start();
