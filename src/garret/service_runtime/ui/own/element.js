// What every element of ours is made with.

// An HTML element: attributes by name, `on...` as listeners, the rest as its children; text is only ever text.
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  fill(node, children);
  return node;
}

// Give a node these children instead of its own; what is false or null is none.
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

// An element that Python puts into the page with facts; `show(facts)` draws it.
export class Element extends HTMLElement {
  static observedAttributes = ["facts"];

  connectedCallback() {
    this.show(this.facts);
  }

  attributeChangedCallback() {
    if (this.isConnected) this.show(this.facts);
  }

  get facts() {
    return JSON.parse(decodeURIComponent(this.getAttribute("facts") || "%7B%7D"));
  }
}

// Define `garret-NAME`.
export function define(name, kind) {
  customElements.define(`garret-${name}`, kind);
}
