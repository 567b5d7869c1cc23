// Our elements, once what there is to write in has been drawn: Gradio's page is busy with that until then.

const IDLE_MS = 300;
const PATIENCE_MS = 5000;

function begin() {
  watching.disconnect();
  clearTimeout(late);
  if (window.requestIdleCallback) requestIdleCallback(() => import("./main.js"), { timeout: IDLE_MS });
  else setTimeout(() => import("./main.js"));
}

function look() {
  if (document.querySelector("#tabs textarea")) requestAnimationFrame(() => requestAnimationFrame(begin));
}

const watching = new MutationObserver(look);
const late = setTimeout(begin, PATIENCE_MS);
watching.observe(document.documentElement, { childList: true, subtree: true });
look();
