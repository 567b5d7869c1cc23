// What a model's maker says of it: words that call it, what it was trained on, licence. Asked for when it is looked at.

import { call } from "./api.js";
import { copyButton } from "./copying.js";
import { fill, make } from "./element.js";
import { address } from "./model_store.js";
import { say } from "./words.js";

const TEXTS = ["title", "author", "license", "base", "resolution", "description", "usage"];

export function about(model) {
  const place = make("div", { class: "garret-about" });
  call(`${address(model)}/about`).then((said) => fill(place, ...parts(model, said)), () => {});
  return place;
}

function parts(model, said) {
  const found = [];
  if (said.words.length) {
    found.push(make("h3", {}, say("models.words")), make("p", { class: "garret-model-triggers" },
      ...said.words.map((word) => copyButton(() => word, { words: word, name: say("models.copy_word", { word }), kind: "garret-small" }))));
    found.at(-1).setAttribute("translate", "no");
  }
  const texts = TEXTS.filter((name) => said[name]);
  if (texts.length) {
    found.push(make("dl", { class: "garret-table" }, ...texts.flatMap((name) => [
      make("dt", {}, say(`models.about.${name}`)), make("dd", { class: "garret-prose", translate: "no" }, said[name])])));
  }
  if (said.tags.length) {
    found.push(make("details", { class: "garret-fold" }, make("summary", {}, say("models.tags", { count: said.tags.length })),
      make("p", { class: "garret-tags", translate: "no" },
        ...said.tags.map(({ tag, count }) => make("span", { class: "garret-badge" }, `${tag} ${count}`)))));
  }
  if (!found.length) found.push(make("p", { class: "garret-dim" }, say("models.nothing_said")));
  return found;
}
