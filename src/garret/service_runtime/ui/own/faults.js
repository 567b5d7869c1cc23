// What went wrong, in the words of whoever looks at the page: ui/words/fault.json has them by the API's names of errors.

import { knows, lasting, say } from "./words.js";

const UNKNOWN_S = 5;

// The words for a Fault of api.js, or for the `error` of a job's record; `labels` are a form's own names of fields.
export function told(fault, labels = {}) {
  const kind = fault.kind ?? fault.error ?? "";
  if (fault.status === 0) return say("fault.offline");
  const whole = String(fault.message ?? "");
  const field = fault.field ? labels[fault.field] || fault.field : "";
  const reason = fault.field && whole.startsWith(`${fault.field}: `) ? whole.slice(fault.field.length + 2) : whole;
  const after = lasting(fault.retryAfter || UNKNOWN_S);
  const key = fault.code === "session_expired" ? "fault.SessionExpired" : `fault.${kind}`;
  if (!knows(key)) return [502, 503, 504].includes(fault.status) ? say("fault.offline") : say("fault.other", { reason, message: reason });
  return say(key, { field, reason, after, message: reason, seconds: fault.retryAfter || UNKNOWN_S });
}

// Of a job that has no pictures: what became of it.
export function toldOfJob(job) {
  if (job.state === "Cancelled") return say("fault.Cancelled");
  if (job.state === "Expired") return say("fault.Expired");
  if (!job.error) return say("fault.other", { reason: job.state, message: job.state });
  const key = `fault.job.${job.error.error}`;
  return knows(key) ? say(key, { reason: job.error.message, message: job.error.message }) : told(job.error);
}
