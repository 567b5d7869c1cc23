// When the node stops itself: told, put off for an hour, and changed.

import { call } from "./api.js";
import { button } from "./dialog.js";
import { fill, make } from "./element.js";
import { told } from "./faults.js";
import { section } from "./machine_parts.js";
import { lasting, moment, say } from "./words.js";

const HOUR_S = 3600;
const CHOICES_S = [0, 900, 1800, HOUR_S, 2 * HOUR_S, 4 * HOUR_S, 8 * HOUR_S, 24 * HOUR_S];
const SIGNS = {
  "the service started": "service",
  "an open page": "page",
  "a job": "job",
  "the start": "start",
  "a delivery": "delivery",
  "before the service ended": "before",
};

export class StopSection {
  #now = make("div", { class: "garret-machine-now" });
  #said = make("p", { class: "garret-machine-said", role: "status" });
  #end = button(say("machine.hold_end"), () => this.#do(() => call("/machine/hold", { method: "DELETE" }), "machine.hold_ended"));
  #idle = make("select", { onchange: () => this.#couple() });
  #learn = make("input", { type: "checkbox" });
  #stopBy = make("input", { type: "time" });
  #form;
  #filled = false;

  constructor() {
    const hold = (hours, attributes = {}) =>
      button(hours === 1 ? say("machine.hold_hour") : say("machine.hold_hours", { hours }), () => this.#hold(hours), attributes);
    const label = (key, control) => make("label", { class: "garret-field" }, make("span", {}, say(key)), control);
    this.#form = make(
      "details",
      {},
      make("summary", {}, say("machine.change")),
      make(
        "form",
        { onsubmit: (event) => this.#save(event) },
        label("machine.field.idle_s", this.#idle),
        make("label", { class: "garret-machine-check" }, this.#learn, make("span", {}, say("machine.field.learn"))),
        label("machine.field.stop_by", this.#stopBy),
        make("p", { class: "garret-dim" }, say("machine.stop_by_hint")),
        make("button", { type: "submit", class: "garret-button" }, say("machine.save")),
      ),
    );
    const buttons = make("div", { class: "garret-buttons" }, hold(1, { class: "garret-button garret-first" }), hold(4), this.#end);
    this.node = section(say("machine.stop"), this.#now, buttons, this.#said, this.#form).node;
    this.#end.hidden = true;
  }

  show({ autostop }) {
    fill(this.#now, lines(autostop).map((line) => make("p", {}, line)));
    this.#now.classList.toggle("garret-error", Boolean(autostop.refused));
    this.#end.hidden = !autostop.hold;
    // What somebody is about to change is left alone.
    if (!this.#filled || !this.#form.open) this.#fill(autostop);
  }

  #fill({ after_s: after, learn, stop_by: stopBy }) {
    this.#filled = true;
    const choices = CHOICES_S.includes(after) ? CHOICES_S : [...CHOICES_S, after].sort((one, other) => one - other);
    fill(this.#idle, choices.map((seconds) => make("option", { value: seconds }, spelled(seconds))));
    this.#idle.value = String(after);
    this.#learn.checked = learn;
    this.#stopBy.value = stopBy;
    this.#couple();
  }

  #couple() {
    this.#learn.disabled = this.#idle.value === "0";
    if (this.#learn.disabled) this.#learn.checked = false;
  }

  #hold(hours) {
    return this.#do(() => call("/machine/hold", { method: "POST", body: { seconds: hours * HOUR_S } }), "machine.hold_done");
  }

  async #save(event) {
    event.preventDefault();
    const wanted = { idle_s: Number(this.#idle.value), learn: this.#learn.checked, stop_by: this.#stopBy.value };
    await this.#do(() => (wanted.stop_by ? inZone(wanted) : put(wanted)), "machine.saved");
  }

  // Ask for it, show what is so now, and say that it was done or why not.
  async #do(ask, done) {
    this.#said.classList.remove("garret-error");
    try {
      const autostop = await ask();
      this.#form.open = this.#form.open && done !== "machine.saved";
      this.show({ autostop });
      this.#said.textContent = say(done);
    } catch (error) {
      this.#said.textContent = told(error);
      this.#said.classList.add("garret-error");
    }
  }
}

const put = (body) => call("/machine/autostop", { method: "PUT", body });

// A time of day is meant in the browser's zone: by its name, or as far from UTC where the node does not know that.
async function inZone(wanted) {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  try {
    return await put({ ...wanted, time_zone: name });
  } catch (error) {
    if (error.field !== "time_zone") throw error;
    const minutes = -new Date().getTimezoneOffset();
    const part = (value) => String(Math.floor(Math.abs(value))).padStart(2, "0");
    return put({ ...wanted, time_zone: `${minutes < 0 ? "-" : "+"}${part(minutes / 60)}:${part(minutes % 60)}` });
  }
}

// What there is to tell of autostop, in sentences.
function lines(autostop) {
  const { hold, asked, refused, tries, doing, stop_by: stopBy } = autostop;
  const idle = doing
    ? say("machine.busy", { what: sign(doing) })
    : say("machine.idle", { time: lasting(autostop.idle_s), what: sign(autostop.last_sign) });
  return [
    refused ? say("machine.stop_refused", { tries, reason: refused }) : asked ? say("machine.stop_asked") : when(autostop),
    hold && say(hold.by && hold.by !== "local" ? "machine.held_by" : "machine.held", { time: lasting(hold.left_s), moment: moment(hold.until), who: hold.by }),
    idle,
    stopBy && say("machine.by_day", { time: stopBy, zone: autostop.time_zone }),
    autostop.delete_after_s > 0 && say("machine.deleted_after", { time: lasting(autostop.delete_after_s) }),
  ].filter(Boolean);
}

// A round time without its zeros.
function spelled(seconds) {
  if (!seconds) return say("machine.never");
  if (seconds % HOUR_S === 0) return say("machine.hours", { hours: seconds / HOUR_S });
  return seconds % 60 === 0 && seconds < 2 * HOUR_S ? say("machine.minutes", { minutes: seconds / 60 }) : lasting(seconds);
}

function when({ stops_in_s: left }) {
  return left === null ? say("machine.stops_never") : say("machine.stops_in", { time: lasting(left) });
}

// A request is told by what it was about: the ids behind that say nothing to anybody.
function sign(text) {
  if (text in SIGNS) return say(`machine.sign.${SIGNS[text]}`);
  const request = text.match(/^[A-Z]+ (\/[^/]*(?:\/[^/]*)?)/);
  if (!request) return text;
  return /^\/(ui\b|$)/.test(request[1]) ? say("machine.sign.page") : say("machine.sign.request", { path: request[1] });
}
