// Our own elements: what the first tab needs at once; the rooms of the others when their elements appear, and all of them
// before long, so that a tab that is first opened while the service is away has its elements.

import { events } from "./api.js";
import "./bar.js";
import "./form.js";
import "./jobs.js";
import "./said.js";

const SOON_MS = 4000;
const rooms = { "garret-begin": "begin", "garret-gallery": "gallery", "garret-machine": "machine", "garret-models": "models" };
const asked = new Set();
let tries = 0;

async function bring(name) {
  if (!rooms[name] || asked.has(name)) return;
  asked.add(name);
  try {
    // A browser may remember that an address could not be read.
    await import(`./${rooms[name]}.js${tries ? `?again=${tries}` : ""}`);
  } catch {
    asked.delete(name);
  }
}

function bringShown() {
  for (const node of document.querySelectorAll(":not(:defined)")) bring(node.localName);
}

function again() {
  tries += 1;
  bringShown();
}

new MutationObserver(bringShown).observe(document.documentElement, { childList: true, subtree: true });
for (const name of ["online", "signed-in"]) events.addEventListener(name, again);
window.addEventListener("load", () => setTimeout(() => Object.keys(rooms).forEach(bring), SOON_MS));
bringShown();
