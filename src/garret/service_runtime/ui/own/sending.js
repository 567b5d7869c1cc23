// A file on its way to the service: what fetch cannot tell of, how much of it has gone, an XMLHttpRequest does.

import { events, Fault } from "./api.js";
import { say } from "./words.js";

// PUT a Blob as it is; `progress` is told the share that has gone. Returns the answer's JSON or throws Fault.
export function sendFile(path, blob, { progress = () => {}, signal = null } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", path);
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onerror = () => reject(new Fault(0, { errors: say("fault.offline") }));
    request.onabort = () => reject(new DOMException("", "AbortError"));
    request.onload = () => {
      const reply = read(request.responseText);
      if (request.status < 400) return resolve(reply);
      if (request.status === 401) events.dispatchEvent(new Event("signed-out"));
      reject(new Fault(request.status, reply, Number(request.getResponseHeader("Retry-After")) || null));
    };
    signal?.addEventListener("abort", () => request.abort());
    request.send(blob);
  });
}

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {}; // a front's page about what it lacks
  }
}
