// A line of something on its way: its name, how far it is, how fast, and the buttons that fit.

import { fill, make } from "./element.js";
import { bytes, lasting, say } from "./words.js";

const SAMPLES = 8;

export class ComingRow {
  #samples = [];

  constructor(name, about) {
    this.state = make("span", { class: "garret-dim" });
    this.inner = make("div", { class: "garret-bar-inner" });
    this.bar = make("div", { class: "garret-bar-outer", role: "progressbar", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 100 }, this.inner);
    this.buttons = make("span", { class: "garret-buttons" });
    this.node = make("li", { class: "garret-row garret-coming" },
      make("span", { class: "garret-row-words" },
        make("strong", { translate: "no" }, name), about && make("span", { class: "garret-dim", translate: "no" }, about), this.state),
      this.buttons, this.bar);
  }

  // What is said, and which buttons there are: {class name: [words, what it does]}; the same ones stay as they are.
  says(text, buttons = {}, bad = false) {
    this.state.textContent = text;
    this.state.classList.toggle("garret-bad", bad);
    const kinds = Object.keys(buttons).join(" ");
    if (this.buttons.dataset.kinds === kinds) return;
    this.buttons.dataset.kinds = kinds;
    fill(this.buttons, Object.entries(buttons).map(([kind, [words, act]]) =>
      make("button", { type: "button", class: `garret-button garret-small garret-${kind}`, onclick: act }, words)));
  }

  // How much of how much there is; what is not known moves no bar.
  at(done, total) {
    const share = total ? Math.min(100, (100 * done) / total) : 0;
    this.bar.hidden = false;
    this.inner.style.width = `${share}%`;
    if (total) this.bar.setAttribute("aria-valuenow", String(Math.round(share)));
    this.#samples.push([performance.now(), done]);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    return this.#words(done, total);
  }

  over() {
    this.bar.hidden = true;
  }

  #words(done, total) {
    const parts = [total ? say("coming.of", { done: bytes(done), total: bytes(total) }) : bytes(done)];
    const [[then, before], [now, last]] = [this.#samples[0], this.#samples.at(-1)];
    const speed = now > then ? ((last - before) * 1000) / (now - then) : 0;
    if (speed > 0) parts.push(say("coming.speed", { speed: bytes(speed) }));
    if (speed > 0 && total > done) parts.push(say("coming.left", { time: lasting((total - done) / speed) }));
    return parts.join(" · ");
  }
}
