// The node itself: <garret-machine> asks how it is while somebody sees it, and at no other time.

import { call } from "./api.js";
import { define, Element, fill, make } from "./element.js";
import { told } from "./faults.js";
import { sections } from "./machine_facts.js";
import { LogSection } from "./machine_log.js";
import { StopSection } from "./machine_stop.js";
import { whileSeen } from "./seen.js";
import { say } from "./words.js";

const EVERY_MS = 3000;

class Machine extends Element {
  #parts = null;
  #log = null;
  #state = make("p", { class: "garret-dim", role: "status" }, say("machine.asking"));
  #grid = make("div", { hidden: true });
  #leave = null;

  show() {
    if (!this.#parts) {
      this.#log = new LogSection();
      this.#parts = [new StopSection(), ...sections()];
      fill(this.#grid, make("div", { class: "garret-machine" }, ...this.#parts.map((part) => part.node)), this.#log.node);
    }
    if (!this.contains(this.#grid)) fill(this, this.#state, this.#grid);
    this.#leave ??= whileSeen(this, () => this.#look(), EVERY_MS);
  }

  disconnectedCallback() {
    this.#leave?.();
    this.#leave = null;
  }

  async #look() {
    try {
      const machine = await call("/machine");
      for (const part of this.#parts) part.show(machine);
      this.#grid.hidden = false;
      this.#state.hidden = true;
      await this.#log.look();
    } catch (error) {
      this.#state.textContent = told(error);
      this.#state.hidden = false;
    }
  }
}

define("machine", Machine);
