// The service's last log lines: followed while they are seen, held still, copied.

import { call } from "./api.js";
import { copyButton } from "./copying.js";
import { button } from "./dialog.js";
import { fill, make } from "./element.js";
import { told } from "./faults.js";
import { section } from "./machine_parts.js";
import { language, say } from "./words.js";

const MOST = 1000;
const NEAR_PX = 40;
const GRAVE = ["warning", "error", "critical"];
const clock = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export class LogSection {
  #after = 0;
  #lines = [];
  #still = false;
  #list = make("div", { class: "garret-log", role: "log", "aria-live": "off", tabindex: 0, translate: "no", lang: "en", "aria-label": say("machine.logs") });
  #level = make(
    "select",
    { "aria-label": say("machine.logs_level"), onchange: () => this.#draw() },
    make("option", { value: "all" }, say("machine.logs_all")),
    make("option", { value: "grave" }, say("machine.logs_warnings")),
  );
  #hold = button(say("machine.logs_pause"), () => this.#turn());
  #said = make("span", { class: "garret-dim", role: "status" });

  constructor() {
    const copy = copyButton(() => this.#shown().map(plain).join("\n"));
    const buttons = make("div", { class: "garret-buttons" }, this.#level, this.#hold, copy, this.#said);
    const note = make("p", { class: "garret-dim" }, say("machine.logs_note"));
    this.node = section(say("machine.logs"), buttons, this.#list, note).node;
    this.#draw();
  }

  // Ask for what came since; called at intervals by whoever shows this.
  async look() {
    if (this.#still) return;
    try {
      const { data, last } = await call(`/v1/logs?lines=500&after=${this.#after}`);
      this.#after = last;
      if (!data.length) return;
      this.#lines = [...this.#lines, ...data].slice(-MOST);
      this.#draw();
    } catch (error) {
      this.#said.textContent = told(error);
    }
  }

  #turn() {
    this.#still = !this.#still;
    this.#hold.textContent = say(this.#still ? "machine.logs_follow" : "machine.logs_pause");
    if (!this.#still) this.look();
  }

  #shown() {
    return this.#level.value === "all" ? this.#lines : this.#lines.filter((line) => GRAVE.includes(line.level));
  }

  // Whoever reads further up keeps their place; who is at the end stays there.
  #draw() {
    const list = this.#list;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_PX;
    const lines = this.#shown();
    fill(list, lines.length ? lines.map(row) : make("p", { lang: language, class: "garret-dim" }, say("machine.logs_none")));
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
}

function plain(line) {
  return [line.time, line.level, line.message, ...(line.traceback || [])].join(" ");
}

function row(line) {
  const about = [line.job && line.job.slice(0, 8), line.model, line.seconds !== undefined && `${line.seconds} s`, line.end].filter(Boolean);
  return make(
    "div",
    { class: `garret-log-line garret-log-${line.level}` },
    make("time", { datetime: line.time, title: line.time }, clock.format(new Date(line.time))),
    GRAVE.includes(line.level) && make("strong", { class: "garret-log-level" }, line.level),
    make("span", {}, [line.message, about.length ? `(${about.join(", ")})` : ""].filter(Boolean).join(" ")),
    line.traceback && make("small", {}, line.traceback.join(" / ")),
  );
}
