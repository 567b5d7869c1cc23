// Text into the clipboard, also where the page is not served by https.

import { copied } from "./dialog.js";
import { make } from "./element.js";
import { say } from "./words.js";

// dialog.js has the usual way; this one works where a browser keeps the clipboard from pages without https.
async function taken(text) {
  if (await copied(text)) return true;
  const field = make("textarea", { class: "garret-away" });
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

// A button that copies what `text()` gives, and says for a moment that it did; `what` names it for who cannot see.
export function copyButton(text, what, words = say("copying.copy")) {
  const button = make("button", { type: "button", class: "garret-button garret-small garret-copy", "aria-label": what }, words);
  button.addEventListener("click", async () => {
    const done = await taken(text());
    button.textContent = say(done ? "copying.done" : "copying.failed");
    setTimeout(() => (button.textContent = words), 2000);
  });
  return button;
}
