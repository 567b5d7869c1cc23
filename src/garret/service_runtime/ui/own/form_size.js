// Sizes as shapes: the 26 that SDXL was trained at, drawn, with the swap of both; and the seed's dice.

import { get, set, tell } from "./bridge.js";
import { define, Element, fill, make } from "./element.js";
import { say } from "./words.js";

// Width and height for a model that was made for 1024 pixels, from the tallest to the widest.
const SIZES = [
  [704, 1408], [704, 1344], [768, 1344], [768, 1280], [832, 1216], [832, 1152], [896, 1152], [896, 1088], [960, 1088],
  [960, 1024], [1024, 1024], [1024, 960], [1088, 960], [1088, 896], [1152, 896], [1152, 832], [1216, 832],
  [1280, 768], [1344, 768], [1344, 704], [1408, 704], [1472, 704], [1536, 640], [1600, 640], [1664, 576], [1728, 576],
];
const DRAWN = 26;

class Sizes extends Element {
  connectedCallback() {
    super.connectedCallback();
    this.watching = (event) => this.#look(event);
    document.addEventListener("input", this.watching);
    document.addEventListener("garret-filled", this.watching);
  }

  disconnectedCallback() {
    document.removeEventListener("input", this.watching);
    document.removeEventListener("garret-filled", this.watching);
  }

  show({ kind, native = 1024, largest = 2048 }) {
    this.kind = kind;
    const scaled = (side) => Math.max(64, Math.round((side * native) / 1024 / 8) * 8);
    this.title_ = make("span", { class: "garret-size-now" });
    this.shapes = SIZES.map(([width, height]) => this.#shape(scaled(width), scaled(height), largest));
    const group = make("div", { role: "radiogroup", "aria-label": say("form.size"), class: "garret-sizes" }, this.shapes);
    group.addEventListener("keydown", (event) => this.#step(event));
    const swap = make("button", { type: "button", class: "garret-button", onclick: () => this.#choose(get(`${kind}-height`), get(`${kind}-width`)) }, say("form.swap"));
    fill(this, make("div", { class: "garret-size-title" }, make("span", {}, say("form.size")), this.title_, swap), group);
    this.#look();
  }

  #shape(width, height, largest) {
    const scale = DRAWN / Math.max(width, height);
    const box = make("span", { class: "garret-shape", "aria-hidden": "true" });
    box.style.width = `${Math.round(width * scale)}px`;
    box.style.height = `${Math.round(height * scale)}px`;
    const tooLong = Math.max(width, height) > largest;
    const shape = make(
      "button",
      {
        type: "button", role: "radio", "aria-checked": "false", tabindex: "-1", disabled: tooLong,
        "aria-label": say("form.size_of", { width, height }),
        title: tooLong ? say("form.size_too_long", { largest }) : say("form.size_of", { width, height }),
        onclick: () => this.#choose(width, height),
      },
      make("span", { class: "garret-shape-place" }, box),
      make("span", { class: "garret-shape-name" }, `${width}×${height}`),
    );
    Object.assign(shape, { sides: `${width}x${height}`, width_: width, height_: height });
    return shape;
  }

  #choose(width, height) {
    set(`${this.kind}-width`, width);
    set(`${this.kind}-height`, height);
  }

  // Arrows go from shape to shape, as in any group of radio buttons.
  #step(event) {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const there = this.shapes.filter((one) => !one.disabled);
    const next = there[(there.indexOf(document.activeElement) + by + there.length) % there.length];
    next.focus();
    next.click();
  }

  // Show which shape the two numbers are.
  #look(event) {
    if (event?.type === "input" && !event.target.closest(`#${this.kind}-width, #${this.kind}-height`)) return;
    if (event?.type === "garret-filled" && event.detail.kind !== this.kind) return;
    const [width, height] = [get(`${this.kind}-width`), get(`${this.kind}-height`)];
    const chosen = this.shapes.find((one) => one.sides === `${width}x${height}`);
    for (const one of this.shapes) {
      one.setAttribute("aria-checked", String(one === chosen));
      one.tabIndex = one === chosen ? 0 : -1;
    }
    const enabled = this.shapes.filter((one) => !one.disabled);
    if (!chosen || chosen.disabled) (enabled.find((one) => one.width_ === one.height_) || enabled[0] || this.shapes[0]).tabIndex = 0;
    this.title_.textContent = width && height ? `${width} × ${height}` : "";
  }
}

class Seed extends Element {
  show({ kind }) {
    const last = () => tell(`form-${kind}`, { last_seed: true });
    fill(
      this,
      make("button", { type: "button", class: "garret-button garret-dice", onclick: () => set(`${kind}-seed`, "-1") }, dice(), say("form.any_seed")),
      make("button", { type: "button", class: "garret-button", onclick: last, title: say("form.last_seed_help") }, say("form.last_seed")),
    );
  }
}

function dice() {
  const space = "http://www.w3.org/2000/svg";
  const drawn = (tag, facts) => {
    const node = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(facts)) node.setAttribute(name, value);
    return node;
  };
  const svg = drawn("svg", { viewBox: "0 0 24 24", width: 18, height: 18, "aria-hidden": "true" });
  svg.append(drawn("rect", { x: 3, y: 3, width: 18, height: 18, rx: 4, fill: "none", stroke: "currentColor", "stroke-width": 2 }));
  for (const [cx, cy] of [[8, 8], [16, 8], [12, 12], [8, 16], [16, 16]]) {
    svg.append(drawn("circle", { cx, cy, r: 1.6, fill: "currentColor" }));
  }
  return svg;
}

define("sizes", Sizes);
define("seed", Seed);
