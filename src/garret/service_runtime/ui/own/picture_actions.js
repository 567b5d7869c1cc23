// What can be done with a picture: ask for it again, begin from it, keep it, share it, delete it.

import { ask, call } from "./api.js";
import { tell } from "./bridge.js";
import { copyButton } from "./copying.js";
import { button, confirmed } from "./dialog.js";
import { fill, make } from "./element.js";
import { fileNameOf, fileOf, gone } from "./picture.js";
import { givePreview } from "./picture_preview.js";
import { sendButtons } from "./send.js";
import { moment, say } from "./words.js";

// All buttons for a picture; `leave()` is called before another tab is shown, `removed()` after it was deleted.
export function actionsOf(facts, { leave = () => {}, removed = () => {} } = {}) {
  const said = make("p", { class: "garret-quiet", role: "status" });
  const from = facts.file ? { file: facts.file } : { image: facts.id };
  const sending = sendButtons(facts.file ? from : facts.id);
  for (const one of sending) one.addEventListener("click", leave);
  const again = facts.infotext && button(say("picture.reuse"), () => leave(reuse(facts)), { class: "garret-button garret-first" });
  const all = facts.infotext && copyButton(() => facts.infotext, { words: say("picture.copy_all") });
  return make("div", { class: "garret-actions" }, make("div", { class: "garret-buttons" }, again, sending, all, facts.file ? [] : own(facts, said, removed)), said);
}

// What only a picture has that is kept here.
function own(image, said, removed) {
  return [
    make("a", { class: "garret-button", href: fileOf(image), download: fileNameOf(image) }, say("picture.download")),
    button(say("picture.link"), () => link(image, said), { class: "garret-button garret-picture-link" }),
    button(say("picture.as_preview"), () => givePreview(image), { class: "garret-button garret-picture-preview" }),
    button(say("picture.delete"), () => askAway(image, removed), { class: "garret-button garret-grave", "aria-keyshortcuts": "Delete" }),
  ];
}

// Fill a tab's form with what a picture was made from: the tab it was made in.
export async function reuse(facts) {
  const start = (facts.request || facts.fields || {}).start;
  const tab = !start || facts.file ? "create" : start.mask ? "inpaint" : "image";
  await tell("reuse", { ...(facts.file ? { infotext: facts.infotext } : { image: facts.id }), tab });
}

// A link that opens the picture without a login for a while.
async function link(image, said) {
  try {
    const { url, expires_at } = await call(`/v1/images/${image.id}/link`, { method: "POST" });
    const field = make("input", { readonly: true, value: url, "aria-label": say("picture.link"), translate: "no" });
    fill(said, make("span", {}, say("picture.link_made", { time: moment(expires_at) })), field, copyButton(() => url));
    field.select();
  } catch (fault) {
    fill(said, why(fault));
  }
}

// Ask, then delete one picture.
export async function askAway(image, removed) {
  if (!(await confirmed(say("picture.delete_question"), say("picture.delete"), { detail: say("picture.for_good") }))) return;
  const fault = await away(image.id);
  if (fault) await confirmed(why(fault), say("dialog.understood"), { grave: false });
  else removed();
}

// Delete a picture; what is not there any more is deleted. Resolves to the fault, or null.
export async function away(id) {
  try {
    await ask(`/v1/images/${id}`, { method: "DELETE" });
  } catch (fault) {
    if (![404, 410].includes(fault.status)) return fault;
  }
  gone(id);
  return null;
}

export function why(fault) {
  if (fault.status === 409) return say("picture.in_use");
  if (fault.status === 404 || fault.status === 410) return say("picture.gone");
  return fault.status ? say("picture.failed", { reason: fault.message }) : say("fault.offline");
}
