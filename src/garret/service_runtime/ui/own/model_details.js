// All there is to know of one model, in a dialog, and what changes it.

import { call } from "./api.js";
import { copyButton } from "./copying.js";
import { button, confirmed, openDialog } from "./dialog.js";
import { fill, make } from "./element.js";
import { about } from "./model_about.js";
import { badges, picture } from "./model_card.js";
import { problemOf, whyNot } from "./model_failures.js";
import { address, store } from "./model_store.js";
import { bytes, moment, say } from "./words.js";

const PICTURES = "image/png,image/jpeg,image/webp";

// `acts`: remove(force), choose() and say(text, bad).
export function details(model, acts) {
  const face = make("div", { class: "garret-model-face" });
  const said = make("p", { class: "garret-note", role: "status", "aria-live": "polite", hidden: true });
  const tell = (text, bad = false) => {
    said.hidden = false;
    said.className = bad ? "garret-note garret-note-bad" : "garret-note";
    said.textContent = text;
  };
  const side = make("div", { class: "garret-model-side" });
  const box = openDialog(say("models.details_of", { name: model.name }), { kind: "garret-models-dialog" });
  box.append(
    make("div", { class: "garret-dialog-top" }, make("h2", { translate: "no" }, model.name), button(say("models.close"), () => box.close())),
    make("div", { class: "garret-model" }, face, side), said);
  const draw = (now) => {
    fill(face, picture(now), previewButtons(now, draw, tell));
    fill(side, make("p", { class: "garret-badges" }, ...badges(now)), problem(now), facts(now), about(now), buttons(now, acts, box));
  };
  draw(model);
  return box;
}

function problem(model) {
  const text = problemOf(model);
  return text && make("p", { class: "garret-model-problem" }, text);
}

function facts(model) {
  const rows = [
    ["file", make("span", { translate: "no" }, model.path)],
    ["size", bytes(model.size)],
    ["native", model.type === "checkpoint" && model.usable && say("models.pixels", { side: model.native_size })],
    ["since", moment(model.created)],
    ["hash", model.sha256
      ? make("span", {}, make("code", { class: "garret-whole-hash", translate: "no" }, model.sha256), " ",
          copyButton(() => model.sha256, { name: say("models.copy_hash_of", { name: model.name }), kind: "garret-small" }))
      : say("models.no_hash")],
  ];
  return make("dl", { class: "garret-table" },
    ...rows.filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, say(`models.fact.${name}`)), make("dd", {}, value)]));
}

function previewButtons(model, draw, tell) {
  const path = `${address(model)}/preview`;
  const change = async (options, done) => {
    try {
      await call(path, options);
      await store.changed();
      draw(store.models.find((one) => one.path === model.path) || model);
      tell(done);
    } catch (fault) {
      tell(whyNot(fault), true);
    }
  };
  const file = make("input", { type: "file", class: "garret-away", accept: PICTURES, tabindex: "-1", "aria-label": say("models.preview_file"),
    onchange: () => file.files[0] && change({ method: "PUT", body: file.files[0] }, say("models.preview_set")) });
  return make("p", { class: "garret-buttons" },
    file,
    make("button", { type: "button", class: "garret-button garret-small garret-preview-set", onclick: () => file.click() },
      say(model.preview ? "models.preview_other" : "models.preview_choose")),
    model.preview && make("button", { type: "button", class: "garret-button garret-small garret-preview-drop",
      onclick: () => change({ method: "DELETE" }, say("models.preview_dropped")) }, say("models.preview_drop")));
}

function buttons(model, acts, box) {
  const isBase = model.type === "checkpoint" && model.usable && !model.family.includes("refiner");
  const base = store.models.filter((one) => one.type === "checkpoint" && one.usable && !one.family.includes("refiner"));
  const last = isBase && base.length === 1;
  const remove = async () => {
    box.close();
    if (last && !(await confirmed(say("models.last_question", { name: model.name }), say("models.remove")))) return;
    acts.remove(last);
  };
  return make("p", { class: "garret-buttons" },
    isBase && !model.is_default && make("button", { type: "button", class: "garret-button garret-choose",
      onclick: () => { box.close(); acts.choose(); } }, say("models.make_default")),
    model.type !== "embedding" && make("button", { type: "button", class: "garret-button garret-grave garret-remove", onclick: remove }, say("models.remove")));
}
