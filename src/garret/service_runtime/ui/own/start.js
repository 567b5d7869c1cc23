// Our elements, once what there is to write in has been drawn: Gradio's page is busy with that until then.

const IDLE_MS = 300;
const LATEST_MS = 5000;
const PAUSE_MS = 2000;
const TRIES = 30;
let begun = false;

// The service may be away just now; a browser remembers of an address that it could not be read.
function load(tried = 0) {
  import(`./main.js${tried ? `?again=${tried}` : ""}`).catch((error) => {
    if (tried === TRIES) throw error;
    setTimeout(load, PAUSE_MS, tried + 1);
  });
}

function begin() {
  if (begun) return;
  begun = true;
  watching.disconnect();
  if (window.requestIdleCallback) requestIdleCallback(() => load(), { timeout: IDLE_MS });
  else setTimeout(load);
}

function look() {
  if (document.querySelector("#tabs textarea")) requestAnimationFrame(() => requestAnimationFrame(begin));
}

const watching = new MutationObserver(look);
watching.observe(document.documentElement, { childList: true, subtree: true });
setTimeout(begin, LATEST_MS); // where nothing is drawn, as in a window that nobody sees
look();
