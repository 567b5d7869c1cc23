// What went wrong, in the words of whoever looks at the page: ui/words/fault.json has them by the API's names of errors.

import { knows, say } from "./words.js";

const UNKNOWN_S = 10;

// What a field of a request is called on the page.
function labelOf(field) {
  const key = [`form.${field}`, `begin.${field}`, `machine.field.${field}`].find(knows);
  return key ? say(key) : field;
}

// The words for a Fault of api.js, or for the `error` of a job's record.
export function told(fault) {
  const { field = "", status, retryAfter = null } = fault;
  const kind = fault.code === "session_expired" ? "SessionExpired" : fault.kind ?? fault.error ?? "";
  const message = String(fault.message ?? "").replace(/\.$/, "");
  if (status === 0 || ([502, 503, 504].includes(status) && !kind)) return say("fault.offline");
  if (field) {
    const reason = message.startsWith(`${field}: `) ? message.slice(field.length + 2) : message;
    return say("fault.field", { label: labelOf(field), message: reason });
  }
  return say(knows(`fault.${kind}`) ? `fault.${kind}` : "fault.other", { message, seconds: retryAfter || UNKNOWN_S });
}

// Of a job that has no pictures: what became of it.
export function toldOfJob({ state, error }) {
  if (state === "Cancelled" || state === "Expired") return say(`fault.${state}`);
  if (!error) return say("fault.other", { message: state });
  const key = `fault.job.${error.error}`;
  return knows(key) ? say(key, { message: error.message }) : told(error);
}
