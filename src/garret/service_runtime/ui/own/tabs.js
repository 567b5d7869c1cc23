// The tab that is open stays open over a reload: after another language was chosen, and after a login.

import { open } from "./bridge.js";

const KEY = "garret-tab";
const FIRST = "create";

function openTab() {
  return document.querySelector('#tabs [role=tab][aria-selected="true"]')?.dataset.tabId;
}

function remember() {
  const name = openTab();
  if (name) sessionStorage.setItem(KEY, name);
}

function begin(tabs) {
  const kept = sessionStorage.getItem(KEY);
  if (kept && kept !== FIRST) open(kept);
  new MutationObserver(remember).observe(tabs, { attributes: true, attributeFilter: ["aria-selected"], subtree: true });
}

const waiting = new MutationObserver(() => {
  const tabs = document.querySelector("#tabs [role=tablist]");
  if (!tabs?.querySelector("[role=tab]")) return;
  waiting.disconnect();
  begin(tabs);
});
waiting.observe(document.documentElement, { childList: true, subtree: true });
