// Logging out: the session ends at the service first, so that no copy of its cookie opens anything.

import { ask, Fault } from "./api.js";

export async function logOut() {
  try {
    await ask("/logout", { method: "POST" });
  } catch (error) {
    if (!(error instanceof Fault) || error.status !== 401) throw error;
  }
  // What was typed is kept as the page goes; this listener, which comes last, has it forgotten.
  window.addEventListener("pagehide", () => sessionStorage.clear());
  location.assign("/login?out=1");
}

// Where somebody logs in again and comes back to what they look at now.
export function wayBack() {
  const here = location.pathname + location.search;
  return here === "/" ? "/login" : `/login?next=${encodeURIComponent(here)}`;
}
