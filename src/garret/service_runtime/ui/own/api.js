// The native API as the page asks it: JSON in and out, and faults with what there is to tell.

import { say } from "./words.js";

export class Fault extends Error {
  constructor(status, reply = {}, retryAfter = null) {
    super(String(reply.errors || reply.detail || status));
    Object.assign(this, { status, kind: reply.error || "", field: reply.field || "", code: reply.code || "", retryAfter });
  }
}

export const events = new EventTarget(); // "signed-out", "signed-in" (again), "offline", "online", "incomplete" (of bring.js)
let offline = false;
let out = false;

function heard(yes) {
  if (yes === !offline) return;
  offline = !yes;
  events.dispatchEvent(new Event(yes ? "online" : "offline"));
}

function welcome(yes) {
  if (yes === !out) return;
  out = !yes;
  events.dispatchEvent(new Event(yes ? "signed-in" : "signed-out"));
}

// A request; `body` is JSON, or a Blob as it is. Throws Fault; status 0 is a service that does not answer.
export async function ask(path, { method = "GET", body = null, headers = {}, signal = null } = {}) {
  const json = body !== null && !(body instanceof Blob);
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: json ? { ...headers, "Content-Type": "application/json" } : headers,
      body: json ? JSON.stringify(body) : body,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    heard(false);
    throw new Fault(0, { errors: say("fault.offline") });
  }
  if (answer.ok) {
    heard(true);
    welcome(true);
    return answer;
  }
  const reply = await answer.json().catch(() => ({}));
  // A front answers in the service's place while there is none.
  heard(![502, 503, 504].includes(answer.status) || Boolean(reply.error));
  if (answer.status === 401) welcome(false);
  throw new Fault(answer.status, reply, Number(answer.headers.get("Retry-After")) || null);
}

export async function call(path, options) {
  const answer = await ask(path, options);
  return answer.status === 204 ? null : answer.json();
}
