// What is begun from, in its form's boxes: the digests, and a new picture's size. page/begin.py makes the unseen ones.

import { begun, busy, events, recall } from "./begun.js";
import { get, set } from "./bridge.js";
import * as form from "./form.js";

const KINDS = ["image", "inpaint"];
const STEP = 8;
const TRIES = 600; // frames
const [SMALLEST, LARGEST] = [64, 2048];
const pending = new Map(); // values for boxes that are not there yet
const drawn = new Set(); // the forms that have been filled once

function put(id, value) {
  pending.set(id, String(value));
  flush(id.split("-")[0]);
}

function flush(kind, tries = TRIES) {
  if (!drawn.has(kind)) return;
  let missing = false;
  for (const [id, value] of pending) {
    if (!id.startsWith(`${kind}-`)) continue;
    const now = get(id);
    missing ||= now === null;
    if (now === null) continue;
    pending.delete(id);
    if (now !== value) set(id, value);
  }
  // A form may be drawn anew.
  if (missing && tries) requestAnimationFrame(() => flush(kind, tries - 1));
}

// Put what a picture was made from into fields in which nothing is written yet.
export async function offer(kind, fields) {
  for (let tries = TRIES; tries && !drawn.has(kind); tries -= 1) await new Promise(requestAnimationFrame);
  for (const [name, value] of Object.entries(fields)) {
    if (value && get(`${kind}-${name}`) === "") put(`${kind}-${name}`, value);
  }
}

function show(kind) {
  const { image, mask } = begun(kind);
  put(`${kind}-start-image`, image);
  if (kind === "inpaint") put(`${kind}-start-mask-image`, mask);
  form.waitFor(kind, "begin", busy(kind));
}

// A new picture's size as the service would choose it: its own, where the model can paint that many pixels, else its
// proportions at as many as the model was made for.
function sized(kind) {
  const { width, height } = begun(kind);
  const native = Number(get(`${kind}-native`)) || 1024;
  const share = (width * height) / native ** 2;
  const scale = share >= 0.5 && share <= 2 ? 1 : share ** -0.5;
  const side = (pixels) => Math.min(LARGEST, Math.max(SMALLEST, Math.round((pixels * scale) / STEP) * STEP));
  put(`${kind}-width`, side(width));
  put(`${kind}-height`, side(height));
}

// Python has filled a form: when it was drawn, with what it was before, which the page itself knows better by now;
// later with what a picture was made from.
function filled(kind) {
  if (!KINDS.includes(kind)) return;
  if (drawn.has(kind)) {
    const now = begun(kind);
    const [image, mask] = [get(`${kind}-start-image`), get(`${kind}-start-mask-image`) || ""];
    const other = image && image !== now.image;
    if (other) recall(kind, { image, mask: mask === now.mask ? "" : mask });
    else if (mask && mask !== now.mask && !now.masking) recall(kind, { ...now, mask });
  }
  drawn.add(kind);
  if (news.delete(kind)) sized(kind);
  show(kind);
}

const news = new Set(); // the kinds whose picture came before their form
events.addEventListener("change", ({ detail }) => show(detail.kind));
events.addEventListener("begun", ({ detail }) => (drawn.has(detail.kind) ? sized(detail.kind) : news.add(detail.kind)));
document.addEventListener("garret-filled", ({ detail }) => filled(detail.kind));

// This module may come after a form that was opened.
for (const kind of KINDS) if (form.formOf(kind)?.dataset.ready) filled(kind);
