// From our elements to Gradio's components and back: page/hosting.py has the other end.

let count = 0;

function input(id) {
  return document.querySelector(`#${id} textarea, #${id} input:not([type=range])`);
}

// Put a value into a component with this elem_id, as if it had been typed.
export function set(id, value) {
  const field = input(id);
  const kind = field instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
  Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, value);
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.dispatchEvent(new Event("change", { bubbles: true }));
}

// What a component with this elem_id holds now; null when it is not on the page.
export function get(id) {
  return input(id)?.value ?? null;
}

const answers = new Map();

// Have what is told to NAME come to a function here first: tabs are drawn when they are opened, and it may have to wait.
export function answer(name, handler) {
  answers.set(name, handler);
}

// Tell Python's handler of the bridge NAME; the same facts twice are told twice.
export function tell(name, facts = {}) {
  if (answers.has(name)) return answers.get(name)(facts);
  count += 1;
  return set(`bridge-${name}`, JSON.stringify({ ...facts, count }));
}

// Show another tab: its name is one of TABS in page/blocks.py.
export function open(tab) {
  document.querySelector(`button[role=tab]#tab-${tab}-button`)?.click();
}
