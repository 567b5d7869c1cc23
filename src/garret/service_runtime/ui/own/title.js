// The window's title tells how far things are, for whoever looks at something else meanwhile.

import { store } from "./job_store.js";

let plain = null;

store.addEventListener("change", () => {
  const open = store.open;
  if (plain === null && !open.length) return;
  plain ??= document.title;
  const share = open.reduce((sum, job) => sum + (job.progress?.share ?? 0), 0) / (open.length || 1);
  const title = open.length ? `${Math.floor(100 * share)}% · ${plain}` : plain;
  if (document.title !== title) document.title = title;
  if (!open.length) plain = null;
});
