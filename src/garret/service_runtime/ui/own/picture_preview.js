// A picture as the preview of a model: which one is asked for.

import { call } from "./api.js";
import { button, openDialog } from "./dialog.js";
import { fill, make } from "./element.js";
import { typeOf } from "./model_words.js";
import { say } from "./words.js";

// Ask which model gets a picture of the gallery as its preview, and give it to that one.
export async function givePreview(image) {
  const dialog = openDialog(say("picture.preview_title"), { kind: "garret-question" });
  const said = make("p", { role: "status" });
  const choice = make("select", { id: "garret-preview-model", translate: "no" });
  const give = button(say("picture.preview_give"), () => given(image, choice, said, give), { class: "garret-button garret-first", disabled: true });
  fill(
    dialog,
    make("h2", {}, say("picture.preview_title")),
    make("label", { for: "garret-preview-model" }, say("picture.preview_which")),
    choice,
    said,
    make("div", { class: "garret-buttons" }, give, button(say("dialog.close"), () => dialog.close())),
  );
  try {
    const models = (await call("/v1/models?type=all&limit=1000")).data;
    fill(choice, models.map((model) => option(model, image)));
    give.disabled = !models.length;
    choice.focus();
  } catch (fault) {
    said.textContent = say("picture.failed", { reason: fault.message });
  }
}

function option(model, image) {
  const value = `${encodeURIComponent(model.type)}/${encodeURIComponent(model.name)}`;
  const made = model.type === "checkpoint" && model.name === image.model?.name;
  return make("option", { value, selected: made }, `${model.name} (${typeOf(model)})`);
}

async function given(image, choice, said, give) {
  give.disabled = true;
  try {
    await call(`/v1/models/${choice.value}/preview`, { method: "PUT", body: { image: image.id } });
    said.textContent = say("picture.preview_done");
    document.dispatchEvent(new CustomEvent("garret-models"));
  } catch (fault) {
    said.textContent = say("picture.failed", { reason: fault.message });
  }
  give.disabled = false;
}
