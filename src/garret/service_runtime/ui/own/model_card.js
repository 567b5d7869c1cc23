// A model as a card: its picture, what it is, and what can be done with it.

import { copyButton } from "./copying.js";
import { make } from "./element.js";
import { problemOf } from "./model_failures.js";
import { familyOf, typeOf } from "./model_words.js";
import { bytes, say } from "./words.js";

const SIDE = 384;

// The picture of a model, or a place of the same size with the first letters of its name.
export function picture(model) {
  if (!model.thumbnail) {
    return make("span", { class: "garret-model-picture garret-model-bare", "aria-hidden": "true", translate: "no" },
      model.name.replace(/[^\p{L}\p{N}]/gu, "").slice(0, 2) || "?");
  }
  return make("img", {
    class: "garret-model-picture", src: model.thumbnail, alt: "", loading: "lazy", decoding: "async", width: SIDE, height: SIDE,
  });
}

export function badges(model) {
  const family = familyOf(model);
  return [
    make("span", { class: "garret-badge" }, typeOf(model)),
    family && make("span", { class: "garret-badge", translate: "no" }, family),
    model.is_default && make("span", { class: "garret-badge garret-badge-strong" }, say("models.default")),
    !model.usable && make("span", { class: "garret-badge garret-badge-bad" }, say("models.not_usable")),
  ].filter(Boolean);
}

// `acts` has what the card's buttons do: open(model), choose(model).
export function card(model, acts) {
  // For whoever points: by keyboard the button of the same words is there.
  const open = make("span", { class: "garret-model-open", title: say("models.details"), onclick: () => acts.open(model) }, picture(model));
  const problem = problemOf(model);
  return make("li", { class: "garret-model-card", "data-path": model.path },
    open,
    make("div", { class: "garret-model-words" },
      make("h3", { translate: "no", title: model.path }, model.name),
      make("p", { class: "garret-badges" }, ...badges(model)),
      make("p", { class: "garret-model-facts" },
        make("span", {}, bytes(model.size)),
        model.sha256
          ? make("span", { class: "garret-hash" }, make("code", { translate: "no", title: model.sha256 }, model.sha256.slice(0, 10)),
              copyButton(() => model.sha256, { name: say("models.copy_hash_of", { name: model.name }), kind: "garret-small" }))
          : make("span", { class: "garret-dim" }, say("models.no_hash"))),
      problem && make("p", { class: "garret-model-problem" }, problem),
      make("p", { class: "garret-buttons" },
        acts.choose && make("button", { type: "button", class: "garret-button garret-small garret-choose", onclick: () => acts.choose(model) },
          say("models.make_default")),
        make("button", { type: "button", class: "garret-button garret-small garret-details", "aria-label": say("models.details_of", { name: model.name }),
          onclick: () => acts.open(model) }, say("models.details")))));
}
