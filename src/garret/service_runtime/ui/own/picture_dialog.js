// The dialog that shows pictures at their full size, one after the other, with all that can be done with each.

import { call } from "./api.js";
import { openDialog, signButton } from "./dialog.js";
import { fill, make } from "./element.js";
import { actionsOf, askAway } from "./picture_actions.js";
import { factsOf } from "./picture_facts.js";
import { fileOf, gone, smallOf } from "./picture.js";
import { number, say } from "./words.js";
import { Zoom } from "./zoom.js";

const NEAR_END = 5;
const STEP = 1.5;

// Go through `list` from one of its places on. What is in it are records or ids of finished pictures, or a picture
// from a file: {file: Blob, source, name, infotext, width, height}.
export function show(list, at, more = null) {
  new PictureDialog([...list], list, at, more);
}

class PictureDialog {
  // `list` is who is gone through; `source` is the caller's own, which may grow meanwhile.
  constructor(list, source, at, more) {
    Object.assign(this, { list, source, at, more, round: 0 });
    this.focus = document.activeElement;
    this.picture = make("img", { draggable: "false", translate: "no" });
    this.stage = make("div", { class: "garret-stage" }, this.picture);
    this.place = make("span", { class: "garret-quiet", "aria-live": "polite" });
    this.size = make("span", { class: "garret-quiet garret-percent" });
    this.side = make("div", { class: "garret-side" });
    this.zoom = new Zoom(this.stage, this.picture, {
      swiped: (by) => this.go(by),
      changed: (percent) => (this.size.textContent = `${number(percent)} %`),
    });
    this.dialog = openDialog(say("picture.title"), { kind: "garret-picture", closed: () => this.#closed() });
    fill(this.dialog, this.#bar(), this.stage, this.side);
    this.dialog.addEventListener("keydown", (event) => this.#key(event));
    this.picture.addEventListener("error", () => this.current.file || this.#look());
    this.draw();
    this.close.focus();
  }

  get current() {
    const one = this.list[this.at];
    return typeof one === "string" ? { id: one } : one;
  }

  #bar() {
    this.before = signButton("before", say("picture.before"), () => this.go(-1), { "aria-keyshortcuts": "ArrowLeft" });
    this.after = signButton("after", say("picture.after"), () => this.go(1), { "aria-keyshortcuts": "ArrowRight" });
    this.close = signButton("close", say("dialog.close"), () => this.dialog.close(), { "aria-keyshortcuts": "Escape" });
    return make(
      "div",
      { class: "garret-picture-bar" },
      this.before, this.place, this.after,
      make("span", { class: "garret-space" }),
      signButton("smaller", say("picture.smaller"), () => this.zoom.by(1 / STEP), { "aria-keyshortcuts": "-" }),
      this.size,
      signButton("larger", say("picture.larger"), () => this.zoom.by(STEP), { "aria-keyshortcuts": "+" }),
      signButton("fit", say("picture.fit"), () => this.zoom.toggle(), { "aria-keyshortcuts": "0" }),
      this.close,
    );
  }

  // Show the one that is current; what comes late for another one is left.
  async draw() {
    const [image, round] = [this.current, (this.round += 1)];
    this.stage.classList.remove("garret-lost");
    this.zoom.fit();
    this.stage.style.backgroundImage = image.file ? "none" : `url("${smallOf(image)}")`;
    this.picture.src = image.source || fileOf(image);
    this.picture.alt = image.prompt || say("picture.without_words");
    this.place.textContent = this.list.length > 1 ? say("picture.place", { at: number(this.at + 1), count: number(this.list.length) }) : "";
    this.before.disabled = this.at === 0;
    this.after.disabled = this.at >= this.list.length - 1;
    for (const one of [this.before, this.after]) one.hidden = this.list.length < 2;
    fill(this.side, make("p", { class: "garret-quiet" }, say("picture.loading")));
    this.#ahead();
    try {
      const facts = image.file ? image : await call(`/v1/images/${image.id}`);
      if (round === this.round) this.#tell(facts);
    } catch (fault) {
      if (round === this.round) this.#failed(fault);
    }
  }

  #tell(facts) {
    if (facts.prompt) this.picture.alt = facts.prompt;
    fill(this.side, actionsOf(facts, { leave: () => this.dialog.close(), removed: () => this.#removed() }), factsOf(facts));
    this.side.scrollTop = 0;
  }

  #failed(fault) {
    const lost = fault.status === 404 || fault.status === 410;
    if (lost) {
      this.stage.classList.add("garret-lost");
      this.stage.style.backgroundImage = "none";
      gone(this.current.id);
    }
    fill(this.side, make("p", { class: "garret-error", role: "alert" }, lost ? say("picture.gone") : say("picture.not_shown")));
  }

  // The file did not load: say why, which its record knows.
  async #look() {
    try {
      await call(`/v1/images/${this.current.id}`);
      this.#failed({ status: 0 });
    } catch (fault) {
      this.#failed(fault);
    }
  }

  go(by) {
    const at = this.at + by;
    if (at < 0 || at >= this.list.length) return;
    this.at = at;
    this.draw();
  }

  // Load what is beside, and more of the list near its end.
  async #ahead() {
    const next = this.list[this.at + 1];
    if (next && !next.file) new Image().src = fileOf(next);
    if (!this.more || this.asking || this.at < this.list.length - NEAR_END) return;
    this.asking = true;
    if (await this.more().catch(() => false)) {
      const known = new Set(this.list.map((one) => one.id));
      this.list.push(...this.source.filter((one) => !known.has(one.id)));
      this.after.disabled = this.at >= this.list.length - 1;
      this.place.textContent = say("picture.place", { at: number(this.at + 1), count: number(this.list.length) });
    }
    this.asking = false;
  }

  #removed() {
    this.list.splice(this.at, 1);
    if (!this.list.length) return this.dialog.close();
    this.at = Math.min(this.at, this.list.length - 1);
    this.draw();
    this.close.focus();
    return undefined;
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.matches("input, select, textarea")) return;
    const does = {
      ArrowLeft: () => this.go(-1), ArrowRight: () => this.go(1),
      Home: () => this.go(-this.at), End: () => this.go(this.list.length - 1 - this.at),
      "+": () => this.zoom.by(STEP), "=": () => this.zoom.by(STEP), "-": () => this.zoom.by(1 / STEP), 0: () => this.zoom.toggle(),
      Delete: () => this.current.id && askAway(this.current, () => this.#removed()),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  }

  #closed() {
    this.round += 1;
    this.current?.closed?.();
    // The card of what was looked at last: there may be another one in a tab that is not shown.
    const cards = document.querySelectorAll(`[data-picture="${CSS.escape(this.current?.id || "")}"]`);
    const card = [...cards].find((one) => one.offsetParent) || this.focus;
    if (card?.isConnected) card.focus();
  }
}
