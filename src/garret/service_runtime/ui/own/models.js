// The models in their folders: what is there, what comes, and what was removed.

import { call } from "./api.js";
import { attentive, facts } from "./connection.js";
import { define, Element, fill, make } from "./element.js";
import { Add } from "./model_add.js";
import { bin } from "./model_bin.js";
import { card } from "./model_card.js";
import { details } from "./model_details.js";
import { whyNot } from "./model_failures.js";
import { address, store } from "./model_store.js";
import { TYPES } from "./model_words.js";
import { whileSeen } from "./seen.js";
import { bytes, say } from "./words.js";

const LOOK_EVERY_MS = 20000;
const LOOK_WHILE_COMING_MS = 1000;

class Models extends Element {
  #type = "all";
  #words = "";
  #cards = new Map(); // by path: the card, and what it was made of
  #stop = null;

  show() {
    this.classList.add("garret-room");
    this.#stop?.();
    this.said = make("div", { class: "garret-said", role: "status", "aria-live": "polite" });
    this.types = make("div", { class: "garret-choices", role: "group", "aria-label": say("models.filter") });
    this.find = make("input", { type: "search", id: "garret-models-find", placeholder: say("models.find"), "aria-label": say("models.find"),
      oninput: () => this.#narrow() });
    this.disk = make("p", { class: "garret-disk" });
    this.list = make("ul", { class: "garret-model-cards", "aria-label": say("tab.models") });
    this.empty = make("p", { class: "garret-empty", hidden: true });
    this.bin = bin((text, bad) => this.#say(text, bad));
    this.add = new Add();
    fill(this, this.add.element,
      make("div", { class: "garret-tools" }, this.types, this.find,
        make("button", { type: "button", class: "garret-button garret-refresh", onclick: () => this.#refresh() }, say("models.refresh"))),
      this.disk, this.said, this.list, this.empty, this.bin.element);
    const changed = () => this.#draw();
    store.addEventListener("change", changed);
    const end = whileSeen(this, () => this.#look(), () => (this.add.downloads.running ? LOOK_WHILE_COMING_MS : LOOK_EVERY_MS));
    this.add.downloads.hurry = end.now;
    facts.addEventListener("back", end.now);
    this.#stop = () => {
      end();
      facts.removeEventListener("back", end.now);
      store.removeEventListener("change", changed);
    };
    this.looked = 0;
    this.#cards.clear();
    this.#draw();
  }

  disconnectedCallback() {
    this.#stop?.();
    this.#stop = null;
  }

  async #look() {
    // To ask for models is a use of the node, and a page left open over night is none.
    if (!attentive()) return;
    // While something comes that is asked after often, and all else as seldom as ever.
    const due = Date.now() - this.looked >= LOOK_EVERY_MS - 500;
    if (due) this.looked = Date.now();
    await Promise.all([this.add.downloads.refresh(), ...(due ? [store.refresh(), this.bin.refresh(), this.#lookAtDisk()] : [])]);
  }

  async #lookAtDisk() {
    try {
      const { host } = await call("/machine");
      const used = host.disk_used / host.disk_total;
      fill(this.disk, say("models.disk", { free: bytes(host.disk_total - host.disk_used), total: bytes(host.disk_total) }),
        make("meter", { min: 0, max: 1, high: 0.9, value: used, "aria-hidden": "true" }));
    } catch {
      fill(this.disk);
    }
  }

  #draw() {
    if (store.fault) this.#say(whyNot(store.fault), true);
    if (!store.models) return;
    this.#drawTypes(store.models);
    const fitting = store.models.filter((model) => this.#fits(model));
    const nodes = fitting.map((model) => this.#card(model));
    const paths = new Set(store.models.map((model) => model.path));
    for (const path of this.#cards.keys()) if (!paths.has(path)) this.#cards.delete(path);
    const same = nodes.length === this.list.children.length && nodes.every((node, at) => node === this.list.children[at]);
    if (!same) this.list.replaceChildren(...nodes);
    this.empty.hidden = nodes.length > 0;
    this.empty.textContent = say(store.models.length ? "models.none_fit" : "models.none");
  }

  #drawTypes(models) {
    const count = (type) => models.filter((model) => type === "all" || model.type === type).length;
    const types = ["all", ...TYPES.filter((type) => count(type) || type !== "other")];
    const text = JSON.stringify([types.map(count), this.#type]);
    if (this.types.dataset.drawn === text) return;
    this.types.dataset.drawn = text;
    const focused = this.types.contains(document.activeElement) && document.activeElement.dataset.type;
    fill(this.types, types.map((type) => make("button", {
      type: "button", class: "garret-choice", "data-type": type, "aria-pressed": String(type === this.#type),
      onclick: () => this.#choose(type),
    }, say(`models.types.${type}`), make("span", { class: "garret-count" }, String(count(type))))));
    if (focused) this.types.querySelector(`[data-type=${focused}]`)?.focus();
  }

  #choose(type) {
    this.#type = type;
    this.#draw();
  }

  #narrow() {
    this.#words = this.find.value.trim().toLowerCase();
    this.#draw();
  }

  #fits(model) {
    if (this.#type !== "all" && model.type !== this.#type) return false;
    const text = `${model.path} ${model.sha256 || ""} ${model.family}`.toLowerCase();
    return this.#words.split(/\s+/).every((word) => text.includes(word));
  }

  #card(model) {
    const text = JSON.stringify(model);
    const known = this.#cards.get(model.path);
    if (known?.text === text) return known.node;
    const acts = {
      open: (one) => details(one, { remove: () => this.#remove(one), choose: () => this.#default(one), say: (words, bad) => this.#say(words, bad) }),
      choose: model.type === "checkpoint" && model.usable && !model.is_default && !model.family.includes("refiner")
        ? (one) => this.#default(one) : null,
    };
    const node = card(model, acts);
    const focused = known?.node.contains(document.activeElement) ? [...document.activeElement.classList].at(-1) : "";
    this.#cards.set(model.path, { text, node });
    if (known?.node.isConnected) known.node.replaceWith(node);
    if (focused) node.querySelector(`.${focused}`)?.focus();
    return node;
  }

  async #default(model) {
    await this.#try(async () => {
      await call("/v1/settings", { method: "PUT", body: { checkpoint: model.title } });
      await store.changed();
      this.#say(say("models.is_default_now", { name: model.name }));
    });
  }

  async #refresh() {
    await this.#try(async () => {
      const { models } = await call("/v1/models/refresh", { method: "POST" });
      await store.changed();
      this.#say(say("models.refreshed", { count: models }));
    });
  }

  async #remove(model, force = false) {
    await this.#try(async () => {
      const gone = await call(`${address(model)}${force ? "?force=true" : ""}`, { method: "DELETE" });
      await Promise.all([store.changed(), this.bin.refresh()]);
      const undo = make("button", { type: "button", class: "garret-button garret-small garret-undo", onclick: () => this.bin.restore(gone) },
        say("models.undo"));
      this.#say(say("models.removed", { name: model.name }), false, undo);
      undo.focus();
    });
  }

  async #try(work) {
    try {
      await work();
    } catch (fault) {
      this.#say(whyNot(fault), true);
    }
  }

  #say(text, bad = false, ...more) {
    this.said.className = bad ? "garret-note garret-note-bad" : "garret-note";
    fill(this.said, make("span", {}, text), ...more);
  }
}

define("models", Models);
