// The tab that is open stays open over a reload: after another language was chosen, and after a login.

import { open } from "./bridge.js";

const KEY = "garret-tab";
const FIRST = "create";
const PATIENT_MS = 10000;

const openTab = () => document.querySelector('#tabs [role=tab][aria-selected="true"]')?.dataset.tabId;

function remember() {
  const name = openTab();
  if (name) sessionStorage.setItem(KEY, name);
}

// Gradio chooses its first tab while it still puts the page together; what is chosen before that is lost.
function restore(name, tabs) {
  const until = performance.now() + PATIENT_MS;
  let steady = 0;
  let touched = false;
  const leave = () => { touched = true; };
  document.addEventListener("pointerdown", leave, { once: true });
  document.addEventListener("keydown", leave, { once: true });
  const look = () => {
    steady = openTab() === name ? steady + 1 : 0;
    if (touched || steady > 5 || performance.now() > until) return watch(tabs);
    if (!steady && document.querySelector("#tabs [role=tabpanel]")) open(name);
    setTimeout(look, 100);
  };
  look();
}

function watch(tabs) {
  remember();
  window.addEventListener("pagehide", remember);
  new MutationObserver(remember).observe(tabs, { attributes: true, attributeFilter: ["aria-selected"], subtree: true });
}

function begin(tabs) {
  const kept = sessionStorage.getItem(KEY);
  if (kept && kept !== FIRST) restore(kept, tabs);
  else watch(tabs);
}

const waiting = new MutationObserver(() => {
  const tabs = document.querySelector("#tabs");
  if (!tabs?.querySelector("[role=tab]")) return;
  waiting.disconnect();
  begin(tabs);
});
waiting.observe(document.documentElement, { childList: true, subtree: true });
