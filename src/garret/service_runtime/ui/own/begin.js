// The picture that is begun from: chosen, dropped, pasted, taken by the camera or sent here from elsewhere on the page.

import { begin, begun, check, events, forget, limits, pass, stop } from "./begun.js";
import { offer } from "./begun_boxes.js";
import { get, open } from "./bridge.js";
import { define, Element, fill, make } from "./element.js";
import { enlarging } from "./larger.js";
import "./mask.js";
import { offered } from "./picture_file.js";
import { number, say } from "./words.js";

const OTHER = { image: "inpaint", inpaint: "image" };

class Begin extends Element {
  #parts = null;
  #stop = null;

  connectedCallback() {
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    super.connectedCallback();
    const mine = (event) => event.detail.kind === this.facts.kind && this.#redraw();
    events.addEventListener("change", mine, { signal });
    document.addEventListener("paste", (event) => this.#pasted(event), { signal });
    for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
      document.addEventListener(name, (event) => this.#dragged(event), { signal });
    }
  }

  disconnectedCallback() {
    this.#stop.abort();
  }

  show(facts) {
    Object.assign(limits, { most_bytes: facts.most_bytes, most_pixels: facts.most_pixels });
    this.#parts = this.#build(facts.kind);
    fill(this, make("section", { "aria-label": say("begin.label"), class: "garret-begin" }, ...Object.values(this.#parts)));
    this.#redraw();
  }

  #build(kind) {
    const take = (event) => {
      const [file] = event.target.files;
      event.target.value = "";
      if (file) begin(kind, { file });
    };
    const file = make("input", { type: "file", accept: "image/*", hidden: true, class: "garret-begin-file", onchange: take });
    const camera = make("input", { type: "file", accept: "image/*", capture: "environment", hidden: true, onchange: take });
    const choose = make("button", { type: "button", class: "garret-button garret-begin-choose", onclick: () => file.click() }, say("begin.choose"));
    const photo = make("button", { type: "button", class: "garret-button garret-begin-camera", onclick: () => camera.click() }, say("begin.camera"));
    const drop = make("div", { class: "garret-begin-drop" }, choose, photo, make("p", {}, say("begin.or_drop")));
    const stay = () => stop(kind);
    const way = make("div", { class: "garret-begin-way" },
      make("progress", { max: "1", "aria-label": say("begin.sending") }),
      make("span", { role: "status" }),
      make("button", { type: "button", class: "garret-button garret-begin-cancel", onclick: stay }, say("begin.cancel")));
    return { fault: make("p", { role: "alert", class: "garret-error" }), drop, there: this.#there(kind, file), way, file, camera };
  }

  #there(kind, file) {
    const button = (key, name, onclick) => make("button", { type: "button", class: `garret-button garret-begin-${name}`, onclick }, say(key));
    const other = OTHER[kind];
    return make("div", { class: "garret-begin-there" },
      kind === "inpaint" ? make("garret-mask") : make("img", { alt: say("begin.alt"), class: "garret-begin-picture", onerror: () => check(kind) }),
      make("p", { class: "garret-begin-facts" }, make("span", { translate: "no", class: "garret-begin-name" }), make("span", { class: "garret-begin-size" })),
      make("div", { class: "garret-buttons" },
        button("begin.replace", "replace", () => file.click()),
        button(`send.${other}`, "on", () => this.#on(other)),
        button("begin.remove", "remove", () => this.#remove())),
      kind === "image" && enlarging(kind));
  }

  #redraw() {
    const { kind } = this.facts;
    const now = begun(kind);
    const { fault, drop, there, way } = this.#parts;
    fault.textContent = now.fault;
    fault.hidden = !now.fault;
    drop.hidden = now.phase !== "empty";
    way.hidden = now.phase !== "sending";
    there.hidden = !now.image;
    const progress = way.querySelector("progress");
    if (now.share > 0 && now.share < 1) progress.value = now.share;
    else progress.removeAttribute("value");
    way.querySelector("span").textContent = now.share ? say("begin.sent", { percent: number(now.share * 100) }) : say("begin.sending");
    if (now.image) this.#shown(now);
  }

  #shown(now) {
    const picture = this.querySelector(".garret-begin-picture");
    if (picture && picture.getAttribute("src") !== now.shown) {
      picture.src = now.shown;
    }
    this.querySelector(".garret-begin-name").textContent = now.name;
    this.querySelector(".garret-begin-size").textContent = now.width ? say("begin.size", { width: now.width, height: now.height }) : "";
  }

  #remove() {
    forget(this.facts.kind);
    this.querySelector(".garret-begin-choose").focus();
  }

  #on(other) {
    const { kind } = this.facts;
    open(other);
    pass(kind, other);
    offer(other, { prompt: get(`${kind}-prompt`), negative_prompt: get(`${kind}-negative_prompt`) });
  }

  #pasted(event) {
    if (!this.checkVisibility()) return;
    const found = offered(event.clipboardData);
    if (!found || (!found.file && !found.image)) return;
    event.preventDefault();
    begin(this.facts.kind, found);
  }

  #dragged(event) {
    if (!this.checkVisibility() || !["Files", "text/uri-list"].some((type) => event.dataTransfer?.types.includes(type))) return;
    event.preventDefault(); // or the browser would show the file instead of the page
    this.classList.toggle("garret-over", event.type === "dragover" || event.type === "dragenter");
    if (event.type !== "drop") return;
    const found = offered(event.dataTransfer);
    if (found) begin(this.facts.kind, found);
  }
}

define("begin", Begin);
