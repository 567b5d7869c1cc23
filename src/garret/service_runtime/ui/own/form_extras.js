// What goes into the words by a click: embeddings and styles; and what a form says of its model and of what it took over.

import { call } from "./api.js";
import { get, open, set } from "./bridge.js";
import { define, Element, fill, make } from "./element.js";
import { bytes, say } from "./words.js";
import "./form_loras.js";

// Chips of names that are asked for by `fetch()`; they come again when models came or went.
class Chips extends Element {
  connectedCallback() {
    super.connectedCallback();
    this.again = () => this.#draw();
    document.addEventListener("garret-models", this.again);
  }

  disconnectedCallback() {
    document.removeEventListener("garret-models", this.again);
  }

  show({ kind }) {
    this.kind = kind;
    this.#draw();
  }

  async #draw() {
    try {
      this.names = await this.fetch();
    } catch {
      this.names = [];
    }
    this.chips = this.names.map((one) => this.chip(one));
    const none = this.names.length ? null : make("p", { class: "garret-quiet" }, say(`form.no_${this.what}`));
    fill(this, make("h3", {}, say(`form.${this.what}`)), none || make("div", { class: "garret-chips" }, this.chips));
    this.look?.();
  }
}

class Embeddings extends Chips {
  what = "embeddings";

  async fetch() {
    return (await call("/v1/models?type=embedding&limit=1000")).data.filter((one) => one.usable).map((one) => one.name);
  }

  chip(name) {
    const insert = () => this.#insert(name);
    return make("button", { type: "button", class: "garret-chip", translate: "no", title: say("form.insert"), onclick: insert }, name);
  }

  // Into the text that was written in last, where the cursor stood; after what came to it otherwise since.
  #insert(name) {
    const { id, text, at } = lastIn.get(this.kind) || { id: `${this.kind}-prompt` };
    const box = document.querySelector(`#${id} textarea`);
    const place = box.value === text ? at : box.value.length;
    const [before, after] = [box.value.slice(0, place).trimEnd(), box.value.slice(place).trimStart()];
    const whole = `${before}${before && !before.endsWith(",") ? "," : ""}${before ? " " : ""}${name}`;
    set(id, `${whole}${after && !after.startsWith(",") ? ", " : ""}${after}`);
    box.focus();
    box.setSelectionRange(whole.length, whole.length);
  }
}

const lastIn = new Map(); // by kind: the text that somebody was in last, and where
document.addEventListener("selectionchange", () => {
  const box = document.activeElement;
  const block = box?.tagName === "TEXTAREA" && box.closest("[id$=-prompt], [id$=-negative_prompt]");
  const form = block && box.closest(".garret-make");
  if (form) lastIn.set(form.id.replace(/-make$/, ""), { id: block.id, text: box.value, at: box.selectionEnd });
});

class Styles extends Chips {
  what = "styles";

  connectedCallback() {
    super.connectedCallback();
    this.filled = ({ detail }) => detail.kind === this.kind && this.look();
    document.addEventListener("garret-filled", this.filled);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    document.removeEventListener("garret-filled", this.filled);
  }

  async fetch() {
    return (await call("/v1/styles")).data;
  }

  chip({ name, prompt, negative_prompt: negative }) {
    const title = [prompt, negative].filter(Boolean).join("\n");
    const toggle = () => {
      const chosen = this.#chosen();
      const next = chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name];
      set(`${this.kind}-styles`, next.join("\n"));
      this.look();
    };
    const chip = make("button", { type: "button", class: "garret-chip", translate: "no", title, "aria-pressed": "false", onclick: toggle }, name);
    return Object.assign(chip, { called: name });
  }

  #chosen() {
    return (get(`${this.kind}-styles`) || "").split("\n").filter(Boolean);
  }

  look() {
    const chosen = this.#chosen();
    for (const chip of this.chips || []) chip.setAttribute("aria-pressed", String(chosen.includes(chip.called)));
  }
}

// What the chosen model is; where there is none, where to get one.
class Model extends Element {
  show({ count = 1, native = 0, size = 0 }) {
    const get_one = () => make("button", { type: "button", class: "garret-button", onclick: () => open("models") }, say("form.get_model"));
    const facts = native > 0 && say("form.model_facts", { native, size: bytes(size) });
    fill(this, count ? facts && make("p", { class: "garret-quiet" }, facts) : [make("p", {}, say("form.no_model")), get_one()]);
  }
}

// What was taken over from a picture and has no control here.
class Rest extends Element {
  connectedCallback() {
    super.connectedCallback();
    this.filled = ({ detail }) => detail.kind === this.kind && this.#look();
    document.addEventListener("garret-filled", this.filled);
  }

  disconnectedCallback() {
    document.removeEventListener("garret-filled", this.filled);
  }

  show({ kind }) {
    this.kind = kind;
    this.#look();
  }

  #look() {
    let rest = {};
    try {
      rest = JSON.parse(get(`${this.kind}-rest`) || "{}");
    } catch {
      // What somebody else wrote there is nothing.
    }
    const said = Object.entries(rest).map(([path, value]) => `${path}: ${value}`).join(", ");
    const drop = () => {
      set(`${this.kind}-rest`, "");
      this.#look();
    };
    fill(
      this,
      said && make("p", { class: "garret-quiet" }, say("form.also"), " ", make("span", { translate: "no" }, said)),
      said && make("button", { type: "button", class: "garret-button", onclick: drop }, say("form.leave_out")),
    );
  }
}

define("embeddings", Embeddings);
define("styles", Styles);
define("model", Model);
define("rest", Rest);
