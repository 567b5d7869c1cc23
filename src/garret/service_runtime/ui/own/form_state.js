// What is in a form, kept for when the page is loaded again: after another language was chosen, or a login.

const WAIT_MS = 200;
const KINDS = ["create", "image", "inpaint"];
const timers = new Map();

const keyOf = (kind) => `garret-form-${kind}`;

// What was kept of a form; null when nothing was.
export function begin(kind) {
  try {
    return JSON.parse(sessionStorage.getItem(keyOf(kind)));
  } catch {
    return null;
  }
}

// Keep what is in a form now; what is not drawn stays as it was kept.
export function keep(kind) {
  const form = document.getElementById(`${kind}-make`);
  if (!form?.dataset.ready) return;
  const found = { ...begin(kind) };
  for (const block of form.querySelectorAll(`.block[id^="${kind}-"]`)) {
    const value = valueOf(block);
    if (value !== undefined) found[block.id.slice(kind.length + 1).replaceAll("-", ".")] = value;
  }
  try {
    sessionStorage.setItem(keyOf(kind), JSON.stringify(found));
  } catch {
    // Without room nothing is kept, and the page works all the same.
  }
}

// What one of Gradio's components holds, in the form that Python gives it; undefined for what holds nothing.
function valueOf(block) {
  const radios = [...block.querySelectorAll("input[type=radio]")];
  if (radios.length) return radios.find((one) => one.checked)?.value;
  const box = block.querySelector("textarea, input");
  if (!box) return undefined;
  if (box.type === "checkbox") return box.disabled ? undefined : box.checked;
  if (box.type === "number") return box.value === "" ? null : Number(box.value);
  return box.value;
}

function soon(event) {
  const kind = KINDS.find((one) => event.target.closest?.(`#${one}-make`));
  if (!kind) return;
  clearTimeout(timers.get(kind));
  timers.set(kind, setTimeout(() => keep(kind), WAIT_MS));
}

for (const name of ["input", "change", "click", "focusout"]) document.addEventListener(name, soon, true);
window.addEventListener("pagehide", () => KINDS.forEach(keep));
