// LoRAs as cards: what is chosen stands in the prompt as <lora:NAME:WEIGHT>, and nowhere else.

import { call } from "./api.js";
import { get, set } from "./bridge.js";
import { define, Element, fill, make } from "./element.js";
import { knows, number, say } from "./words.js";

const TAG = /<lora:([^<>:]+)((?::[^<>]*)?)>/gi;
const CARD = 96;
const FEW = 6;
const [LOWEST, HIGHEST, STEP] = [-1, 2, 0.05];

// The LoRAs that a prompt names, with the first weight of each.
export function chosenIn(prompt) {
  const found = new Map();
  for (const [, name, weights] of prompt.matchAll(TAG)) {
    const weight = Number.parseFloat(weights.slice(1));
    found.set(name.trim(), Number.isNaN(weight) ? 1 : weight);
  }
  return found;
}

// A prompt with another weight for a LoRA; null takes it out.
export function weighed(prompt, name, weight) {
  const tag = weight === null ? "" : `<lora:${name}:${number_text(weight)}>`;
  let there = false;
  const text = prompt.replace(TAG, (whole, found) => {
    if (found.trim() !== name) return whole;
    const first = !there;
    there = true;
    return first ? tag : "";
  });
  if (there) return weight === null ? text.replace(/ {2,}/g, " ").trim() : text;
  return weight === null ? text : `${text.trimEnd()} ${tag}`.trimStart();
}

function number_text(value) {
  return String(Math.round(value * 100) / 100);
}

class Loras extends Element {
  connectedCallback() {
    super.connectedCallback();
    this.typed = ({ target }) => target.closest?.(`#${this.kind}-prompt`) && this.#look();
    this.filled = ({ detail }) => detail.kind === this.kind && this.#look();
    this.changed = () => this.#fetch();
    document.addEventListener("input", this.typed);
    document.addEventListener("garret-filled", this.filled);
    document.addEventListener("garret-models", this.changed);
  }

  disconnectedCallback() {
    document.removeEventListener("input", this.typed);
    document.removeEventListener("garret-filled", this.filled);
    document.removeEventListener("garret-models", this.changed);
  }

  show({ kind }) {
    this.kind = kind;
    this.cards = [];
    this.#fetch();
  }

  async #fetch() {
    let models = [];
    try {
      models = (await call("/v1/models?type=lora&limit=1000")).data;
    } catch {
      fill(this, make("p", {}, say("form.not_listed")));
      return;
    }
    this.cards = models.map((one) => this.#card(one));
    const title = make("h3", {}, say("form.loras"));
    if (!models.length) return fill(this, title, make("p", { class: "garret-quiet" }, say("form.no_loras")));
    const search = models.length > FEW && make("input", {
      type: "search", class: "garret-search", placeholder: say("form.search"), "aria-label": say("form.search_loras"),
      oninput: ({ target }) => this.#search(target.value),
    });
    fill(this, title, search, make("div", { class: "garret-loras" }, this.cards.map((one) => one.node)));
    return this.#look();
  }

  #card(model) {
    const why = model.usable ? "" : unfit(model.family);
    const id = `${this.kind}-lora-${this.cards.length}-${model.name}`;
    const picture = model.thumbnail
      ? make("img", { src: model.thumbnail, alt: "", width: CARD, height: CARD, loading: "lazy", decoding: "async" })
      : make("span", { class: "garret-no-picture", "aria-hidden": "true" });
    const toggle = make(
      "button",
      { type: "button", class: "garret-lora-choice", "aria-pressed": "false", disabled: !model.usable, title: why || null, onclick: () => this.#toggle(model.name) },
      picture,
      make("span", { class: "garret-lora-name", translate: "no" }, model.name),
    );
    const shown = make("output", { for: id });
    const slider = make("input", {
      type: "range", id, min: LOWEST, max: HIGHEST, step: STEP, "aria-label": say("form.lora_weight", { name: model.name }),
      oninput: ({ target }) => this.#weigh(model.name, Number(target.value)),
    });
    const weight = make("div", { class: "garret-lora-weight", hidden: true }, slider, shown);
    const node = make("div", { class: "garret-lora" }, toggle, why && make("p", { class: "garret-quiet" }, why), weight);
    return { name: model.name, node, toggle, slider, shown, weight };
  }

  #prompt() {
    return get(`${this.kind}-prompt`) ?? "";
  }

  #toggle(name) {
    const weight = chosenIn(this.#prompt()).has(name) ? null : 1;
    set(`${this.kind}-prompt`, weighed(this.#prompt(), name, weight));
  }

  #weigh(name, weight) {
    set(`${this.kind}-prompt`, weighed(this.#prompt(), name, weight));
  }

  // Show what the prompt says, whoever wrote it.
  #look() {
    const chosen = chosenIn(this.#prompt());
    for (const { name, node, toggle, slider, shown, weight } of this.cards) {
      const value = chosen.get(name);
      const on = value !== undefined;
      node.classList.toggle("garret-chosen", on);
      toggle.setAttribute("aria-pressed", String(on));
      weight.hidden = !on;
      if (on && Number(slider.value) !== value) slider.value = value;
      shown.textContent = on ? number(value, 2) : "";
    }
  }

  #search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    for (const { name, node } of this.cards) node.hidden = !words.every((word) => name.toLowerCase().includes(word));
  }
}

// Why a LoRA of another family cannot be chosen.
function unfit(family) {
  const key = `form.family.${family.replace(/^lora-?/, "")}`;
  return knows(key) ? say("form.lora_other", { family: say(key) }) : say("form.lora_unknown");
}

define("loras", Loras);
