// Our own elements: what the first tab needs at once, the rooms of the others when their elements appear.

import "./bar.js";
import "./form.js";
import "./jobs.js";
import "./said.js";

const rooms = {
  "garret-begin": () => import("./begin.js"),
  "garret-gallery": () => import("./gallery.js"),
  "garret-machine": () => import("./machine.js"),
  "garret-models": () => import("./models.js"),
};

function bring() {
  for (const node of document.querySelectorAll(":not(:defined)")) rooms[node.localName]?.();
}

new MutationObserver(bring).observe(document.documentElement, { childList: true, subtree: true });
bring();
