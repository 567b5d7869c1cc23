// The forms of the tabs that make pictures: what they have beside Gradio's components.

import { events } from "./api.js";
import { answer, get, open, set, tell } from "./bridge.js";
import { define, Element, fill, make } from "./element.js";
import { begin, keep } from "./form_state.js";
import { store } from "./job_store.js";
import "./form_extras.js";
import "./form_size.js";
import "./form_tokens.js";
import "./unanswered.js";

export const KINDS = ["create", "image", "inpaint"];
const PATIENCE_MS = 20000;
const AGAIN_MS = 4000;
const TRIES = 5;
const EARLY_MS = 5000; // what was asked for longer ago may not be wanted any more
const WORDS = ["prompt", "negative_prompt"];
const waiting = new Map(KINDS.map((kind) => [kind, new Set()]));
const early = new Map(); // when a form's button was asked for by keys before it could be pressed

export function formOf(kind) {
  return document.getElementById(`${kind}-make`);
}

// The box or list of a field; null when it is folded away or in a tab that was not opened yet.
export function controlOf(kind, field) {
  return document.querySelector(`#${kind}-${field.replaceAll(".", "-")} :is(textarea, input)`);
}

// As long as anything waits, as an upload by its name, the button cannot be pressed.
export function waitFor(kind, name, yes) {
  if (yes) waiting.get(kind).add(name);
  else waiting.get(kind).delete(name);
  hold(kind);
}

function hold(kind) {
  const button = document.getElementById(`${kind}-sample`);
  if (button) button.disabled = !formOf(kind)?.dataset.ready || waiting.get(kind).size > 0;
}

function until(found) {
  const end = performance.now() + PATIENCE_MS;
  return new Promise((done, failed) => {
    const look = () => {
      const value = found();
      if (value) done(value);
      else if (performance.now() > end) failed(new Error("the form does not come"));
      else requestAnimationFrame(look);
    };
    look();
  });
}

// The tab in which such a job is asked for.
function tabOf({ job = "", fields = null }) {
  const { start } = fields || store.job(job)?.request || {};
  return !start ? "create" : start.mask ? "inpaint" : "image";
}

// Fill a tab's form with what a picture or a job was made from: {image: ID}, {job: ID}, {infotext} or {fields}.
export async function reuse({ tab = "", ...facts }) {
  const kind = KINDS.includes(tab) ? tab : tabOf(facts);
  open(kind);
  const form = await until(() => formOf(kind)?.dataset.ready && formOf(kind));
  tell(`form-${kind}`, facts);
  form.scrollIntoView({ block: "start" });
}

// The rest of a form: drawn when the form is first seen, filled with what was in it, and asked for again until it is.
class Form extends Element {
  connectedCallback() {
    this.again = () => this.show(this.facts);
    for (const name of ["online", "signed-in"]) events.addEventListener(name, this.again);
    super.connectedCallback();
  }

  disconnectedCallback() {
    for (const name of ["online", "signed-in"]) events.removeEventListener(name, this.again);
    clearTimeout(this.timer);
  }

  show({ kind }, tries = TRIES) {
    clearTimeout(this.timer);
    this.hidden = Boolean(formOf(kind)?.dataset.ready);
    if (this.hidden || !tries) return;
    if (document.querySelector(`#later-${kind} garret-made`)) restore(kind);
    else there(`bridge-draw-${kind}`).then(() => tell(`draw-${kind}`));
    this.timer = setTimeout(() => this.show(this.facts, tries - 1), AGAIN_MS);
  }
}

// Have a form that has just been drawn filled: as it was before the page was loaded again, but for words that somebody
// has written in the meantime, and with what there is to choose now.
async function restore(kind) {
  await there(`bridge-form-${kind}`, ...WORDS.map((name) => `${kind}-${name}`));
  const kept = begin(kind);
  for (const name of WORDS) {
    if (kept?.[name] && get(`${kind}-${name}`) === "") set(`${kind}-${name}`, kept[name]);
    delete kept?.[name];
  }
  tell(`form-${kind}`, { kept });
}

const there = (...ids) => until(() => ids.every((id) => get(id) !== null));

// What came of pressing the button: a job, or what is wrong, said below it and marked at its field.
class Made extends Element {
  async show({ kind, job = "", fault = null, filled = null }) {
    for (const field of formOf(kind)?.querySelectorAll("[aria-invalid=true]") || []) field.removeAttribute("aria-invalid");
    fill(this, fault && make("p", { class: "garret-error", role: "alert" }, fault.text));
    if (fault?.field) mark(kind, fault.field);
    if (job) store.add(job);
    if (filled !== null) await this.#filled(kind);
    else if (!job && !fault) this.#drawn(kind);
    hold(kind);
  }

  // Python has put values into the components; they are in their boxes a moment later.
  async #filled(kind) {
    await until(() => !this.isConnected || controlOf(kind, "seed"));
    await new Promise((done) => setTimeout(done, 60));
    const form = formOf(kind);
    if (!form) return;
    form.dataset.ready = "yes";
    hold(kind);
    for (const place of document.querySelectorAll("garret-form")) place.hidden ||= place.facts.kind === kind;
    if (performance.now() - early.get(kind) < EARLY_MS) press(form);
    early.delete(kind);
    document.dispatchEvent(new CustomEvent("garret-filled", { detail: { kind } }));
    keep(kind);
  }

  #drawn(kind) {
    delete formOf(kind)?.dataset.ready;
    restore(kind);
  }
}

// Show at its field that something is wrong with it; what is folded away is opened.
function mark(kind, field) {
  const box = controlOf(kind, field);
  if (!box) return;
  box.setAttribute("aria-invalid", "true");
  box.addEventListener("input", () => box.removeAttribute("aria-invalid"), { once: true });
  box.scrollIntoView({ block: "nearest" });
}

// A double click is one wish, and not two jobs.
document.addEventListener("click", (event) => {
  if (event.detail > 1 && event.target.closest?.("button.garret-sample")) event.stopPropagation();
}, true);

// Ctrl+Enter presses the button from anywhere in its form.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const form = event.target.closest?.(".garret-make");
  if (!form) return;
  event.preventDefault();
  event.stopPropagation();
  if (form.dataset.ready) press(form);
  else early.set(form.id.replace(/-make$/, ""), performance.now());
}, true);

function press(form) {
  // Gradio takes over what was typed with the event after the key's.
  setTimeout(() => form.querySelector("button.garret-sample")?.click());
}

// After models came or went, what there is to choose is others.
document.addEventListener("garret-models", () => {
  for (const kind of KINDS) if (formOf(kind)?.dataset.ready) tell(`form-${kind}`, { again: true });
});

answer("reuse", (facts) => reuse(facts));
define("form", Form);
define("made", Made);

// Gradio names a slider's two halves in English, whatever its label's language.
function rename() {
  for (const box of document.querySelectorAll("[aria-label^='number input for '], [aria-label^='range slider for ']")) {
    box.setAttribute("aria-label", box.getAttribute("aria-label").replace(/^(number input|range slider) for /, ""));
  }
}

document.addEventListener("garret-filled", rename);
document.addEventListener("click", () => setTimeout(rename, 100));

// Chromium has Tab stop at a list that can be scrolled; Gradio closes a picker's list then, and the focus is nowhere.
function passOver() {
  for (const list of document.querySelectorAll("ul[role=listbox]")) list.setAttribute("tabindex", "-1");
}

const lists = new MutationObserver(passOver);
document.addEventListener("focusin", ({ target }) => {
  lists.disconnect();
  if (!target.closest("[role=combobox]")) return;
  passOver();
  lists.observe(document.body, { childList: true, subtree: true });
});
