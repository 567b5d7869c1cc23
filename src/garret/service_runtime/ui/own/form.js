// The forms of the tabs that make pictures: what they have beside Gradio's components.

import { store } from "./job_store.js";
import { define, Element, fill, make } from "./element.js";

// What came of pressing the button: a job, or what is wrong, said below it and marked at its field.
class Made extends Element {
  show({ kind, job = "", fault = null, filled = null }) {
    const form = document.getElementById(`${kind}-make`);
    for (const field of form?.querySelectorAll("[aria-invalid=true]") || []) field.removeAttribute("aria-invalid");
    fill(this, fault && make("p", { class: "garret-error", role: "alert" }, fault.text));
    if (fault?.field) {
      const id = `${kind}-${fault.field.replaceAll(".", "-")}`;
      form?.querySelector(`#${id} textarea, #${id} input`)?.setAttribute("aria-invalid", "true");
    }
    if (job) store.add(job);
    if (filled !== null) requestAnimationFrame(() => document.dispatchEvent(new CustomEvent("garret-filled", { detail: { kind } })));
  }
}

define("made", Made);
