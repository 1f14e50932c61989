// JSON that keeps whole numbers exact: ids go up to 2^64, and JavaScript's numbers to 2^53.

const exact = (source) => (JSON.rawJSON ? JSON.rawJSON(source) : Number(source));

/** The value of a text. A whole number that JavaScript cannot hold is kept as it was written. */
export function parse(text) {
  return JSON.parse(text, (key, value, context) => {
    const large = typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER;
    return large && /^-?\d+$/.test(context?.source ?? "") ? exact(context.source) : value;
  });
}

/** The text of a value, over several lines with `indent`. */
export const show = (value, indent = 0) => JSON.stringify(value, null, indent);

/** What a person wrote as the id of a point: a whole number, or a UUID. */
export const pointId = (text) => (/^(0|[1-9]\d*)$/.test(text) ? exact(text) : text);
