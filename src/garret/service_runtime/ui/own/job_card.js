// One job as a card: how far it is, what it looks like so far, and what came of it. It is changed in its place, so that
// who is about to press one of its buttons does not lose it.

import { bring } from "./bring.js";
import { fill, make } from "./element.js";
import { told, toldOfJob } from "./faults.js";
import { reuse } from "./form.js";
import { isOpen, store } from "./job_store.js";
import { knows, lasting, number, say } from "./words.js";

const PREVIEW_MS = 600;
const PREVIEW_SIDE = 96;

// A job that is cancelled gives its place to the next one: the same press again is not meant for that.
const SAME_PLACE_MS = 4000;
const SAME_PLACE_PX = 12;

let pictures = null;
let cancelled = { id: "", at: -SAME_PLACE_MS, x: 0, y: 0 };

function slippedUnder(id, { clientX, clientY, detail }) {
  const again = performance.now() - cancelled.at < SAME_PLACE_MS && id !== cancelled.id && detail > 0;
  return again && Math.hypot(clientX - cancelled.x, clientY - cancelled.y) < SAME_PLACE_PX;
}

export class JobCard {
  #parts = {};
  #previewed = { at: 0, step: -1 };
  #shown = "";
  #pictured = "";

  constructor(job) {
    this.id = job.id;
    const titled = `garret-job-title-${job.id}`;
    const parts = this.#parts;
    parts.title = make("div", { id: titled, class: "garret-job-title", translate: "no" }, job.request.prompt || say("jobs.no_prompt"));
    parts.state = make("p", { class: "garret-job-state" });
    parts.bar = make("div", { class: "garret-job-bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": say("jobs.progress") }, make("span"));
    parts.preview = make("img", { class: "garret-job-preview", alt: say("jobs.preview"), width: PREVIEW_SIDE, height: PREVIEW_SIDE, hidden: true });
    parts.fault = make("p", { class: "garret-error", role: "alert", hidden: true });
    parts.pictures = make("div", { class: "garret-job-pictures" });
    parts.notes = make("p", { class: "garret-job-notes", hidden: true });
    parts.buttons = make("div", { class: "garret-job-buttons garret-buttons" });
    const words = make("div", { class: "garret-job-words" }, parts.title, parts.state, parts.bar);
    this.node = make("li", { class: "garret-job", "aria-labelledby": titled, "data-job": job.id },
      make("div", { class: "garret-job-row" }, parts.preview, words), parts.fault, parts.pictures, parts.notes, parts.buttons);
    parts.preview.addEventListener("error", () => { parts.preview.hidden = true; });
    parts.preview.addEventListener("load", () => { parts.preview.hidden = false; });
  }

  // Show the job as it is now.
  show(job) {
    const { title, state, bar, preview } = this.#parts;
    title.textContent = job.request.prompt || say("jobs.no_prompt");
    const text = stateOf(job);
    if (state.textContent !== text) state.textContent = text;
    const open = isOpen(job);
    bar.hidden = !open;
    if (open) this.#progress(job);
    else preview.hidden = true;
    this.node.dataset.state = job.state;
    const shown = `${job.state} ${job.pictures.length} ${job.pictures_removed}`;
    if (shown !== this.#shown) this.#changed(job);
    this.#shown = shown;
  }

  #progress(job) {
    const { bar } = this.#parts;
    const percent = Math.round(100 * (job.progress?.share ?? 0));
    bar.setAttribute("aria-valuenow", percent);
    bar.setAttribute("aria-valuetext", stateOf(job));
    bar.firstChild.style.inlineSize = `${percent}%`;
    this.#look(job);
  }

  // The preview, as often as it may be another one, and one at a time.
  #look(job) {
    const { preview } = this.#parts;
    const { step = -1, preview: address = null } = job.progress ?? {};
    const now = performance.now();
    if (!address || document.hidden || step === this.#previewed.step || now - this.#previewed.at < PREVIEW_MS) return;
    if (preview.src && !preview.complete) return;
    this.#previewed = { at: now, step };
    preview.src = `${address}?step=${step}`;
  }

  // What is there only in some states.
  #changed(job) {
    const { fault, notes, buttons } = this.#parts;
    const open = isOpen(job);
    fault.hidden = open || job.state === "Success";
    fault.textContent = fault.hidden ? "" : toldOfJob(job);
    fault.classList.toggle("garret-quiet", job.state === "Cancelled");
    this.#fillPictures(this.#parts.pictures, job).catch(() => {}); // the bar says what to do
    const told = notesOf(job);
    notes.hidden = !told;
    notes.textContent = told;
    const focused = buttons.contains(document.activeElement);
    fill(buttons, open ? this.#openButtons() : this.#endedButtons(job));
    if (focused) buttons.querySelector("button")?.focus();
  }

  // What shows pictures is only read when there are some.
  async #fillPictures(place, job) {
    const shown = job.pictures_removed ? [] : job.pictures;
    if (!shown.length) return void fill(place);
    const { jobPictures } = await (pictures ??= bring("job_pictures"));
    if (this.#pictured !== (this.#pictured = `${shown.length}`)) fill(place, jobPictures(job));
  }

  #openButtons() {
    return [this.#button("cancel", (event) => {
      if (slippedUnder(this.id, event)) return null;
      cancelled = { id: this.id, at: performance.now(), x: event.clientX, y: event.clientY };
      return store.cancel(this.id);
    })];
  }

  #endedButtons(job) {
    const lost = job.state !== "Success";
    return [
      lost && this.#button("retry", () => store.retry(this.id)),
      this.#button("reuse", () => reuse({ job: this.id, tab: tabOf(job) })),
      this.#button("hide", () => store.hide(this.id)),
    ];
  }

  // A button whose work may fail, which is then said beside it.
  #button(name, work) {
    const { fault } = this.#parts;
    const button = make("button", { type: "button", class: `garret-button garret-job-${name}` }, say(`jobs.${name}`));
    button.addEventListener("click", async (event) => {
      button.disabled = true;
      try {
        await work(event);
      } catch (error) {
        fault.hidden = false;
        fault.classList.remove("garret-quiet");
        fault.textContent = told(error);
      } finally {
        button.disabled = false;
      }
    });
    return button;
  }
}

// The tab whose form the job can be asked for with again.
function tabOf({ request: { start } }) {
  if (!start) return "create";
  return start.mask ? "inpaint" : "image";
}

// In one line: where it is, and for how long.
export function stateOf(job) {
  if (!isOpen(job)) return endOf(job);
  const { progress, position, left_s } = job;
  const left = left_s === null || left_s === undefined ? "" : say("jobs.left", { time: lasting(Math.max(1, left_s)) });
  if (position !== 0 || progress?.stage === "waiting") {
    const place = position > 1 ? say("jobs.waiting_behind", { count: position - 1 }) : say("jobs.waiting_next");
    return joined(place, left);
  }
  const { step = 0, steps = 0, stage = "", pictures_done = 0, pictures = 1 } = progress ?? {};
  const doing = knows(`jobs.stage.${stage}`) ? say(`jobs.stage.${stage}`) : say("jobs.stage.denoise");
  const which = pictures > 1 && say("jobs.picture_of", { number: Math.min(pictures, pictures_done + 1), count: pictures });
  return joined(doing, step > 0 && say("jobs.step_of", { step, steps }), which, left);
}

function endOf(job) {
  const count = job.pictures.length;
  if (job.state !== "Success") return say(`jobs.state.${job.state}`);
  if (job.pictures_removed) return say("jobs.removed");
  const seconds = job.started_at ? job.ended_at - job.started_at : job.seconds; // its waiting is not its work
  const took = seconds ? say("jobs.took", { time: seconds < 10 ? say("time.seconds", { seconds: number(seconds, 1) }) : lasting(seconds) }) : "";
  return joined(count === 1 ? say("jobs.done_one") : say("jobs.done", { count }), took);
}

function joined(...parts) {
  return parts.filter(Boolean).join(" · ");
}

function notesOf(job) {
  return Object.entries(job.notes ?? {}).map(([name, value]) => `${name}: ${value}`).join(" · ");
}
