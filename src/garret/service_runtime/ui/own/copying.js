// Text into the clipboard, also where the page is not served by https, and a button that says what came of it.

import { fill, make } from "./element.js";
import { say } from "./words.js";

const SAID_MS = 2000;

// A button that copies what `text()` gives; `name` names it for who cannot see, `kind` is a class more.
export function copyButton(text, { words = say("copying.copy"), name = null, kind = "" } = {}) {
  const button = make("button", { type: "button", class: `garret-button garret-copy ${kind}`, "aria-label": name }, words);
  let timer = 0;
  const rest = () => {
    fill(button, words);
    if (name) button.setAttribute("aria-label", name);
    else button.removeAttribute("aria-label");
  };
  // A status counts for no name of what it stands in.
  const tell = (key) => {
    clearTimeout(timer);
    fill(button, make("span", { role: "status" }, say(key)));
    button.setAttribute("aria-label", say(key));
  };
  const done = () => {
    tell("copying.done");
    timer = setTimeout(rest, SAID_MS);
  };
  button.addEventListener("click", async () => {
    const copied = text();
    if (await written(copied)) return done();
    const field = marked(copied, button.closest("dialog") || document.body);
    // It says that it copied also where nothing is marked.
    if (document.activeElement === field && document.execCommand("copy")) {
      field.remove();
      button.focus({ preventScroll: true });
      return done();
    }
    // What is said is true of whatever is copied: the field stays, and has the focus, until somebody goes on.
    tell("copying.by_hand");
    field.addEventListener("blur", () => {
      field.remove();
      rest();
    });
    field.addEventListener("copy", () => setTimeout(() => {
      button.focus({ preventScroll: true });
      done();
    }));
  });
  return button;
}

// False where the browser does not let a page do that: without https there is no such API.
async function written(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

// A field with the text, all of it marked. In a dialog if one is open: nothing outside of it can have the focus.
function marked(text, place) {
  const field = make("textarea", { class: "garret-marked", readonly: true, "aria-label": say("copying.by_hand") });
  field.value = text;
  place.append(field);
  field.focus({ preventScroll: true });
  field.setSelectionRange(0, text.length);
  return field;
}
