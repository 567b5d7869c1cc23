// Our own elements: what the first tab needs at once; the rooms of the others when their elements appear, and all of them
// before long, so that a tab that is first opened while the service is away has its elements.

import "./bar.js";
import { bring } from "./bring.js";
import "./form.js";
import { fillHosts } from "./hosts.js";
import "./jobs.js";
import "./said.js";

const SOON_MS = 4000;
const rooms = { "garret-begin": "begin", "garret-gallery": "gallery", "garret-machine": "machine", "garret-models": "models" };
const asked = new Set();

function bringRoom(element) {
  if (!rooms[element] || asked.has(element)) return;
  asked.add(element);
  bring(rooms[element]).catch(() => asked.delete(element)); // the bar says what to do
}

function bringShown() {
  fillHosts();
  for (const node of document.querySelectorAll(":not(:defined)")) bringRoom(node.localName);
}

new MutationObserver(bringShown).observe(document.documentElement, { childList: true, subtree: true });
setTimeout(() => Object.keys(rooms).forEach(bringRoom), SOON_MS);
bringShown();
