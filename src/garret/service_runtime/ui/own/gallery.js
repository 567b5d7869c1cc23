// The gallery: finished pictures, searched, chosen, looked at; and what a picture from elsewhere was made from.

import { open } from "./bridge.js";
import { button } from "./dialog.js";
import { define, Element, fill, make } from "./element.js";
import { told } from "./faults.js";
import { Choice } from "./gallery_choice.js";
import { Grid } from "./gallery_grid.js";
import { store } from "./job_store.js";
import { pictures } from "./pictures.js";
import { ACCEPT, fileIn, readPicture } from "./read_picture.js";
import { bytes, number, say } from "./words.js";

const TYPING_MS = 300;
const SOON_MS = 250;
const AHEAD = "1500px";
const OLD_MS = 10000;
const DAY_S = 86400;

class Gallery extends Element {
  #ends = null;
  #seen = false;
  #timer = null;
  #looked = 0;

  show({ keep_s = 0, keep_bytes = 0, most_bytes = 0 }) {
    this.most = most_bytes;
    this.grid = new Grid(pictures, {
      label: say("gallery.pictures"),
      picked: (image, event) => this.choice.picked(image, event),
      dressed: (card, image) => this.choice.dress(card, image.id),
    });
    this.choice = new Choice({ card: (id) => this.grid.card(id), list: () => pictures.list, changed: () => this.#chose() });
    this.count = make("p", { class: "garret-quiet", role: "status" });
    this.fault = make("p", { class: "garret-error", role: "alert" });
    this.empty = make("div", { class: "garret-gallery-empty", hidden: true });
    this.end = make("div", { class: "garret-grid-end" }, button(say("gallery.more"), () => this.#more(), { id: "garret-gallery-more" }));
    fill(this, this.#bar(), this.choice.bar, this.fault, this.count, this.grid.list, this.empty, this.end, kept(keep_s, keep_bytes));
    this.#listen();
    this.#draw();
  }

  disconnectedCallback() {
    this.#ends?.abort();
    this.watch?.disconnect();
    this.nearEnd?.disconnect();
  }

  #bar() {
    this.search = make("input", {
      type: "search", id: "garret-gallery-search", value: pictures.query, maxlength: "500", autocomplete: "off",
      placeholder: say("gallery.search"), "aria-label": say("gallery.search"), oninput: () => this.#typed(),
    });
    this.file = make("input", { type: "file", id: "garret-gallery-file", accept: ACCEPT, hidden: true, onchange: () => this.#chosenFile() });
    this.choosing = button(say("gallery.choose"), () => (this.choice.on ? this.choice.end() : this.choice.begin()), {
      id: "garret-gallery-choose", "aria-pressed": "false",
    });
    return make(
      "div",
      { class: "garret-gallery-bar" },
      this.search, this.choosing,
      button(say("gallery.read"), () => this.file.click(), { id: "garret-gallery-read", title: say("gallery.read_hint") }),
      this.file,
    );
  }

  #listen() {
    this.disconnectedCallback();
    const { signal } = (this.#ends = new AbortController());
    this.grid.follow(signal);
    pictures.addEventListener("change", () => this.#draw(), { signal });
    store.addEventListener("picture", () => this.#renew(), { signal });
    document.addEventListener("paste", (event) => this.#pasted(event), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.#renew(), { signal });
    for (const name of ["scroll", "pointerdown", "keydown"]) window.addEventListener(name, () => this.#touched(), { signal, passive: true });
    for (const name of ["dragover", "dragleave", "drop"]) this.addEventListener(name, (event) => this.#dropped(event), { signal });
    this.watch = new IntersectionObserver(([{ isIntersecting }]) => {
      this.#seen = isIntersecting;
      if (!isIntersecting) return;
      this.grid.draw();
      this.#renew();
    });
    this.watch.observe(this);
    this.nearEnd = new IntersectionObserver(([{ isIntersecting }]) => isIntersecting && pictures.loaded && this.#more(), { rootMargin: AHEAD });
    this.nearEnd.observe(this.end);
  }

  // Look what is new: soon when the gallery is seen, else when it is next.
  #renew() {
    clearTimeout(this.#timer);
    this.#looked = 0;
    if (!this.#seen || document.hidden) return;
    this.#looked = performance.now();
    this.#timer = setTimeout(() => this.#try(() => pictures.refresh()), SOON_MS);
  }

  // Somebody is at work here: what others made or deleted meanwhile is looked for. Without anybody nothing is asked, which
  // would keep the node on.
  #touched() {
    if (this.#seen && performance.now() - this.#looked > OLD_MS) this.#renew();
  }

  async #try(work) {
    try {
      await work();
      this.fault.textContent = "";
    } catch (fault) {
      if (fault.status !== 401) this.fault.textContent = told(fault);
    }
  }

  async #more() {
    await this.#try(() => pictures.more());
    // Who is still at the end, as on a tall screen, needs more at once.
    if (!pictures.whole && !this.fault.textContent && this.end.getBoundingClientRect().top < 2 * innerHeight && this.#seen) {
      requestAnimationFrame(() => pictures.loaded && !pictures.whole && this.#more());
    }
  }

  #typed() {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => {
      const query = this.search.value.trim();
      if (query !== pictures.query) this.#try(() => pictures.search(query));
    }, TYPING_MS);
  }

  #draw() {
    this.grid.draw();
    this.choice.follow();
    const { list, whole, loaded, query } = pictures;
    const key = query ? (whole ? "gallery.found" : "gallery.found_first") : whole ? "gallery.count" : "gallery.count_first";
    this.count.textContent = loaded ? (list.length ? say(key, { count: number(list.length) }) : "") : say("picture.loading");
    this.end.hidden = whole || !loaded;
    this.choosing.disabled = !list.length;
    this.empty.hidden = !loaded || list.length > 0;
    if (!this.empty.hidden) fill(this.empty, query ? nothingFound(query, () => this.#all()) : nothingYet());
  }

  #all() {
    this.search.value = "";
    this.#try(() => pictures.search(""));
    this.search.focus();
  }

  #chose() {
    this.choosing?.setAttribute("aria-pressed", String(this.choice.on));
    this.classList.toggle("garret-choosing", this.choice.on);
  }

  #chosenFile() {
    const [file] = this.file.files;
    this.file.value = "";
    if (file) this.#read(file);
  }

  async #read(file) {
    this.fault.textContent = "";
    this.fault.textContent = await readPicture(file, this.most);
  }

  #pasted(event) {
    const file = fileIn(event.clipboardData);
    if (!this.#seen || !file || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    this.#read(file);
  }

  #dropped(event) {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    this.classList.toggle("garret-dropping", event.type === "dragover");
    const file = event.type === "drop" && fileIn(event.dataTransfer);
    if (file) this.#read(file);
  }
}

function kept(seconds, size) {
  if (!seconds) return null;
  const time = seconds < 2 * DAY_S ? say("gallery.hours", { hours: number(seconds / 3600, 1) }) : say("gallery.days", { days: number(seconds / DAY_S, 1) });
  const words = size ? say("gallery.kept_of", { time, size: bytes(size) }) : say("gallery.kept", { time });
  return make("p", { class: "garret-quiet" }, words);
}

function nothingYet() {
  return [
    make("p", {}, say("gallery.empty")),
    button(say("gallery.make_one"), () => open("create"), { id: "garret-gallery-create", class: "garret-button garret-first" }),
    make("p", { class: "garret-quiet" }, say("gallery.read_hint")),
  ];
}

function nothingFound(query, all) {
  return [
    make("p", {}, say("gallery.nothing_found"), " ", make("q", { translate: "no" }, query)),
    button(say("gallery.show_all"), all, { id: "garret-gallery-all" }),
  ];
}

define("gallery", Gallery);
