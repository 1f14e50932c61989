// Elements, made without markup: whatever comes from outside becomes a text, never HTML.

/** An element of the page, by its id. */
export const byId = (id) => document.getElementById(id);

/** A new element with attributes and children; a child that is no element becomes a text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** Put other children in place of those that are there. */
export function fill(element, ...children) {
  element.replaceChildren(...children);
}

/** A text as elements: what stands between backticks is code. */
export function prose(text) {
  return text.split("`").map((part, at) => (at % 2 ? make("code", {}, part) : part));
}

/** Say a sentence in a status region: it is read out when there is time. */
export function say(element, text) {
  element.textContent = text;
}

/** Show an error in the words of the service; null takes the last one away. */
export function tell(region, error) {
  if (error === null) {
    fill(region);
    return;
  }
  const box = make("div", { class: "problem" }, make("h3", {}, error.title ?? "Error"));
  const words = error.detail ?? error.message;
  const all = error.errors ?? [];
  const wrong = all.filter((one) => one.message !== words);
  const place = all.find((one) => one.message === words)?.place ?? "";
  const said = words.startsWith(place) ? words : `${place}: ${words}`;
  box.append(make("p", { class: "words" }, said));
  if (wrong.length) {
    box.append(make("ul", {}, ...wrong.map((one) => make("li", {}, `${one.place}: ${one.message}`))));
  }
  if (error.requestId) {
    box.append(make("p", { class: "help" }, `Request ${error.requestId}`));
  }
  fill(region, box);
}

/** A number as people here read it. */
export const count = (number) => number.toLocaleString();

/** `1 point`, `2 points`. */
export const several = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;
