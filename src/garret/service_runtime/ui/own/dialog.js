// Dialogs: a place above the page for one thing, and a question before what cannot be taken back.

import { fill, make } from "./element.js";
import { say } from "./words.js";

// An empty dialog that is shown; Escape, a click beside it and `close()` end it, and it is gone from the page then.
export function openDialog(label, { kind = "", closed = null } = {}) {
  const dialog = make("dialog", { class: `garret-dialog ${kind}`, "aria-label": label });
  dialog.addEventListener("close", () => {
    dialog.remove();
    closed?.();
  });
  // What is pressed inside and let go beside it is somebody who marks text.
  let pressed = null;
  dialog.addEventListener("pointerdown", (event) => (pressed = event.target));
  dialog.addEventListener("click", (event) => event.target === dialog && pressed === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

// Ask; resolves to whether the answer was `action`, and to false for any other way out.
export function confirmed(question, action, { detail = "", grave = true } = {}) {
  return new Promise((done) => {
    let yes = false;
    const dialog = openDialog(question, { kind: "garret-question", closed: () => done(yes) });
    const agree = () => {
      yes = true;
      dialog.close();
    };
    fill(
      dialog,
      make("p", {}, question),
      detail && make("p", { class: "garret-quiet" }, detail),
      make(
        "div",
        { class: "garret-buttons" },
        button(action, agree, { class: grave ? "garret-button garret-grave" : "garret-button garret-first" }),
        button(say("dialog.cancel"), () => dialog.close()),
      ),
    );
    dialog.querySelector("button:last-child").focus();
  });
}

// A button with a text.
export function button(text, onclick, attributes = {}) {
  return make("button", { type: "button", class: "garret-button", onclick, ...attributes }, text);
}

// A button with a drawn sign; its name is read out and shown when somebody rests on it. `sign` is one of those below.
export function signButton(sign, name, onclick, attributes = {}) {
  return make(
    "button",
    { type: "button", class: `garret-button garret-sign garret-sign-${sign}`, onclick, title: name, "aria-label": name, ...attributes },
    drawn(sign),
  );
}

const SIGNS = {
  close: "M5 5 19 19M19 5 5 19",
  before: "M15 4 7 12l8 8",
  after: "M9 4l8 8-8 8",
  larger: "M12 5v14M5 12h14",
  smaller: "M5 12h14",
  back: "M8 4 3 9l5 5M4 9h10a6 6 0 0 1 0 12h-3",
  forth: "M16 4l5 5-5 5M20 9H10a6 6 0 0 0 0 12h3",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
};

// One of the signs, as a picture that takes the text's colour.
export function drawn(sign) {
  const space = "http://www.w3.org/2000/svg";
  const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS(space, tag));
  for (const [name, value] of Object.entries({ viewBox: "0 0 24 24", width: 20, height: 20, "aria-hidden": "true" })) {
    svg.setAttribute(name, value);
  }
  for (const [name, value] of Object.entries({ d: SIGNS[sign], fill: "none", stroke: "currentColor", "stroke-width": 2 })) {
    path.setAttribute(name, value);
  }
  svg.append(path);
  return svg;
}
