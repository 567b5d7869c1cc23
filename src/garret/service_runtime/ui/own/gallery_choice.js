// Several pictures chosen at once: downloaded in one file, or deleted.

import { ask } from "./api.js";
import { button, confirmed } from "./dialog.js";
import { fill, make } from "./element.js";
import { told } from "./faults.js";
import { fileNameOf, fileOf } from "./picture.js";
import { away, why } from "./picture_actions.js";
import { bytes, number, say } from "./words.js";
import { zipped } from "./zip.js";

const MOST_BYTES = 2e9; // a browser keeps all of it until it is saved
const AT_A_TIME = 4;

export class Choice {
  // `card(id)` is where a picture is shown; `list()` are all that are.
  constructor({ card, list, changed }) {
    Object.assign(this, { card, list, changed, on: false, ids: new Set(), last: null, stop: null });
    this.bar = make("div", { class: "garret-gallery-choice", role: "group", "aria-label": say("gallery.choice"), hidden: true });
    this.count = make("span", { role: "status" });
    this.said = make("span", { class: "garret-quiet", role: "status" });
    this.download = button(say("picture.download"), () => this.#download(), { id: "garret-choice-download" });
    this.remove = button(say("picture.delete"), () => this.#delete(), { id: "garret-choice-delete", class: "garret-button garret-grave" });
    this.cancel = button(say("dialog.cancel"), () => this.stop?.abort(), { id: "garret-choice-stop", hidden: true });
    fill(
      this.bar, this.count,
      button(say("gallery.choose_all"), () => this.#all(), { id: "garret-choice-all" }),
      this.download, this.remove,
      button(say("gallery.choose_end"), () => this.end(), { id: "garret-choice-end" }),
      this.cancel, this.said,
    );
    this.bar.addEventListener("keydown", (event) => event.key === "Escape" && this.end());
  }

  begin() {
    this.on = true;
    this.#draw();
  }

  end() {
    Object.assign(this, { on: false, last: null });
    this.stop?.abort();
    this.ids.clear();
    this.said.textContent = "";
    this.#draw();
  }

  // What a press on a card means: true when it chose something.
  picked(image, event) {
    if (!this.on && !event.shiftKey && !event.ctrlKey && !event.metaKey) return false;
    this.on = true;
    const list = this.list().map((one) => one.id);
    const [from, to] = [list.indexOf(this.last), list.indexOf(image.id)].sort((one, other) => one - other);
    if (event.shiftKey && from >= 0) for (const id of list.slice(from, to + 1)) this.ids.add(id);
    else if (!this.ids.delete(image.id)) this.ids.add(image.id);
    this.last = image.id;
    this.#draw();
    return true;
  }

  // The list is another one: what is not in it is not chosen any more.
  follow() {
    const there = new Set(this.list().map((one) => one.id));
    for (const id of this.ids) if (!there.has(id)) this.ids.delete(id);
    this.#draw();
  }

  // Let a card say whether it is chosen.
  dress(card, id) {
    const pressed = this.on ? String(this.ids.has(id)) : null;
    if (!card || card.getAttribute("aria-pressed") === pressed) return;
    if (pressed === null) card.removeAttribute("aria-pressed");
    else card.setAttribute("aria-pressed", pressed);
  }

  #all() {
    const list = this.list();
    const every = this.ids.size < list.length;
    this.ids.clear();
    if (every) for (const one of list) this.ids.add(one.id);
    this.#draw();
  }

  #draw() {
    this.bar.hidden = !this.on;
    this.count.textContent = say("gallery.chosen", { count: number(this.ids.size) });
    for (const one of [this.download, this.remove]) one.disabled = !this.ids.size || Boolean(this.stop);
    this.cancel.hidden = !this.stop;
    for (const { id } of this.list()) this.dress(this.card(id), id);
    this.changed();
  }

  // Do something with each that is chosen, and say how far that is; it may be stopped.
  async #through(key, work) {
    const chosen = this.list().filter((one) => this.ids.has(one.id));
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.#draw();
    let done = 0;
    const rest = [...chosen];
    const hand = async () => {
      while (rest.length && !signal.aborted) {
        this.said.textContent = say(key, { at: number((done += 1)), count: number(chosen.length) });
        await work(rest.shift(), signal);
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_A_TIME }, hand));
      return !signal.aborted;
    } finally {
      this.stop = null;
      this.said.textContent = "";
      this.#draw();
    }
  }

  async #download() {
    const size = this.list().filter((one) => this.ids.has(one.id)).reduce((sum, one) => sum + one.size, 0);
    if (size > MOST_BYTES) {
      this.said.textContent = say("gallery.too_much", { size: bytes(size), most: bytes(MOST_BYTES) });
      return;
    }
    const files = new Map();
    try {
      const whole = await this.#through("gallery.downloading", async (image, signal) => {
        files.set(image.id, [fileNameOf(image), await (await ask(fileOf(image), { signal })).arrayBuffer(), image.created_at]);
      });
      if (!whole) return;
      const ordered = this.list().map((one) => files.get(one.id)).filter(Boolean);
      if (ordered.length === 1) save(new Blob([ordered[0][1]]), ordered[0][0]);
      else save(zipped(ordered), "garret-pictures.zip");
    } catch (fault) {
      if (fault.name !== "AbortError") this.said.textContent = told(fault);
    }
  }

  async #delete() {
    const question = say("gallery.delete_question", { count: number(this.ids.size) });
    if (!(await confirmed(question, say("picture.delete"), { detail: say("picture.for_good") }))) return;
    let failed = null;
    await this.#through("gallery.deleting", async (image) => {
      failed = (await away(image.id)) || failed;
    });
    if (failed) this.said.textContent = why(failed);
    else this.end();
  }
}

// Let the browser save a file.
function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = make("a", { href: address, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}
