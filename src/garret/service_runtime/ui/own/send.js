// A picture that goes on from where it is to one of the tabs that make pictures.

import { call } from "./api.js";
import { begin } from "./begun.js";
import { offer } from "./begun_boxes.js";
import { open } from "./bridge.js";
import { button } from "./dialog.js";
import * as form from "./form.js";
import { say } from "./words.js";

// Send a finished picture by its id, or any file, to the tab "image" or "inpaint", where its words
// are put unless there are others; to "create", what it was made from.
export async function sendTo(kind, { image = "", file = null, name = "" }) {
  if (kind !== "create") {
    open(kind);
    // Whoever goes on with a picture mostly goes on with its words.
    if (image) call(`/v1/images/${image}`).then(({ prompt, negative_prompt }) => offer(kind, { prompt, negative_prompt })).catch(() => {});
    return begin(kind, { image, file, name });
  }
  const facts = image ? { image } : { infotext: (await call("/v1/images/read", { method: "POST", body: file })).infotext || "" };
  form.reuse({ ...facts, tab: kind });
}

// Buttons that send a picture on: an image's id, or what sendTo takes.
export function sendButtons(picture, kinds = ["image", "inpaint"]) {
  const source = typeof picture === "string" ? { image: picture } : picture;
  const send = (kind) => () => sendTo(kind, source);
  return kinds.map((kind) => button(say(`send.${kind}`), send(kind), { class: `garret-button garret-send-${kind}` }));
}
