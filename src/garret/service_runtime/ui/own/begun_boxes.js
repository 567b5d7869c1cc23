// The form's unseen boxes that the start picture's digests are put into; page/begin.py makes them.

import { get, set } from "./bridge.js";

const pending = new Map();
let watching = null;

// Put what a tab begins from into its form, as soon as the boxes are there.
export function boxes(kind, { image, mask }) {
  pending.set(`${kind}-start-image`, image);
  if (kind === "inpaint") pending.set(`${kind}-start-mask-image`, mask);
  flush();
}

// What a box holds now.
boxes.value = (kind, name) => get(`${kind}-${name}`) || "";

function flush() {
  for (const [id, value] of pending) {
    const now = get(id);
    if (now === null) continue;
    pending.delete(id);
    if (now !== value) set(id, value);
  }
  if (!pending.size) {
    watching?.disconnect();
    watching = null;
  } else if (!watching) {
    watching = new MutationObserver(flush);
    watching.observe(document.body, { childList: true, subtree: true });
  }
}
