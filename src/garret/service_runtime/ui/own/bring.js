// Modules that are read later than the page: the service may be away just then.

import { ask, events } from "./api.js";

const TRIES = 3;
const PAUSE_MS = 2000;

// Until there may be an answer again.
function pause() {
  return new Promise((done) => {
    setTimeout(done, PAUSE_MS);
    for (const name of ["online", "signed-in"]) events.addEventListener(name, done, { once: true });
  });
}

// The module NAME.js; "incomplete" is told when it, or one that it needs, can only be had by loading the page anew.
export async function bring(name) {
  let refused = 0;
  for (let attempt = 0; ; attempt += 1) {
    try {
      // A browser remembers of an address that it could not be read.
      return await import(`./${name}.js${attempt ? `?again=${attempt}` : ""}`);
    } catch (error) {
      refused += await ask("/v1/queue").then(() => 1, () => 0);
      if (refused >= TRIES) {
        events.dispatchEvent(new Event("incomplete"));
        throw error;
      }
      await pause();
    }
  }
}
