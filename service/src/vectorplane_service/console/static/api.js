// Calls of the service. The key goes along in a header, and is never part of an address.

import { parse, show } from "./json.js";

const KEY = "vectorplane.key";
const { api: BASE, auth: AUTH } = document.documentElement.dataset;

/** Whether this service asks for a key. */
export const asksForKey = AUTH === "on";

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

/** An error as the service says it (application/problem+json). */
export class Problem extends Error {
  constructor(status, { title, detail, errors, request_id: requestId } = {}) {
    super(detail ?? "The service gave no reason.");
    this.status = status;
    this.title = `${title ?? "Error"} (${status})`;
    this.detail = this.message;
    this.errors = errors;
    this.requestId = requestId;
  }
}

/** The service did not answer at all. */
export class Unreachable extends Error {
  title = "No answer";

  constructor() {
    super("The service cannot be reached. Is it still running?");
  }
}

/** What a person wrote cannot be sent. */
export class Unsendable extends Error {
  title = "Not sent";
}

/** Ask under the API's own path, such as `/collections`. */
export const ask = (path, options) => call(BASE ? `${BASE}${path}` : path.slice(1), options);

/** Ask at an address of this service: with a body it is a POST. Raises what is above. */
export async function call(address, { body, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (key.get()) {
    headers["X-API-Key"] = key.get();
  }
  const request = { headers, signal, credentials: "omit", redirect: "error" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    Object.assign(request, { method: "POST", body: show(body) });
  }
  const [answer, text] = await sent(address, request);
  const content = readable(text);
  if (!answer.ok) {
    throw new Problem(answer.status, content ?? {});
  }
  return content;
}

async function sent(address, request) {
  try {
    const answer = await fetch(address, request);
    return [answer, await answer.text()];
  } catch (error) {
    throw error.name === "AbortError" ? error : new Unreachable();
  }
}

function readable(text) {
  try {
    return parse(text);
  } catch {
    return null;
  }
}
