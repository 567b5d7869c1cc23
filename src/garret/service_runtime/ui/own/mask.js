// The painter of masks: <garret-mask> over the picture that Inpaint begins from.

import { begin, begun, events, limits, mask, masking, wordsOf } from "./begun.js";
import { signButton } from "./dialog.js";
import { define, Element, fill, make } from "./element.js";
import { extended, extending, tooLarge } from "./mask_extend.js";
import { MaskHand } from "./mask_hand.js";
import { MaskLayer } from "./mask_layer.js";
import { MaskView } from "./mask_view.js";
import { fitting } from "./picture_file.js";
import { say } from "./words.js";

const KIND = "inpaint";
const REST_MS = 300; // a hand that rests so long is done for now
const SIZES = { smallest: 1, largest: 512 };
let coming = null; // the mask for a picture that is on its way
let kept = null; // what is painted, and on which picture; it outlives the element

class Mask extends Element {
  size = 64;
  erase = false;
  #parts = {};
  #stop = null;
  #timer = 0;
  #loading = "";

  show() {
    this.#stop?.abort();
    this.#stop = new AbortController();
    this.#loading = "";
    const canvas = make("canvas", {
      tabindex: "0", role: "application", class: "garret-mask-canvas", "aria-label": say("mask.canvas"), "aria-describedby": "garret-mask-keys",
    });
    this.view = new MaskView(canvas);
    fill(this, this.#tools(), canvas, this.#notes());
    new MaskHand(this);
    this.#watch(canvas);
    this.#load();
  }

  get layer() {
    return this.view.layer;
  }

  disconnectedCallback() {
    this.#stop?.abort();
    if (this.#timer) this.#send();
  }

  #watch(canvas) {
    const { signal } = this.#stop;
    const sizes = new ResizeObserver(() => this.view.resize());
    sizes.observe(canvas);
    signal.addEventListener("abort", () => sizes.disconnect());
    events.addEventListener("change", (event) => event.detail.kind === KIND && this.#load(), { signal });
  }

  #tools() {
    const button = (name, act, also = {}) =>
      make("button", { type: "button", class: `garret-button garret-mask-${name}`, onclick: act, ...also }, say(`mask.${name}`));
    const sign = (name, drawn, act) => signButton(drawn, say(`mask.${name}`), act, { class: `garret-button garret-sign garret-mask-${name}` });
    const size = make("input", {
      type: "range", class: "garret-mask-size", min: "0", max: "100", step: "1", "aria-label": say("mask.size"),
      oninput: (event) => this.#sized(SIZES.largest ** (event.target.value / 100)),
    });
    const tint = make("select", { class: "garret-mask-tint", "aria-label": say("mask.tint"), onchange: (event) => this.#tint(event.target.value) },
      ...["pink", "green", "stripes"].map((name) => make("option", { value: name }, say(`mask.tint_${name}`))));
    const file = make("input", { type: "file", accept: "image/*", hidden: true, class: "garret-mask-file", onchange: (event) => this.#upload(event) });
    this.#parts = {
      brush: button("brush", () => this.tool(false)), eraser: button("eraser", () => this.tool(true)),
      size, px: make("output", { class: "garret-mask-px" }),
      undo: sign("undo", "back", () => this.undo()), redo: sign("redo", "forth", () => this.redo()),
      fill: button("fill", () => this.#all("fill")), invert: button("invert", () => this.#all("invert")), clear: button("clear", () => this.#all("clear")),
      nearer: sign("nearer", "larger", () => this.view.nearer(1.5)), farther: sign("farther", "smaller", () => this.view.nearer(1 / 1.5)),
      fit: sign("fit", "fit", () => this.view.fit()),
      shown: button("shown", () => this.#show(), { "aria-pressed": "true" }), tint,
      upload: button("upload", () => file.click()), file,
    };
    return make("div", { class: "garret-mask-tools", role: "group", "aria-label": say("mask.tools") }, ...Object.values(this.#parts));
  }

  #notes() {
    this.status = make("p", { role: "status", class: "garret-mask-status" });
    this.fault = make("p", { role: "alert", class: "garret-error", hidden: true });
    const keys = make("details", { class: "garret-mask-help" }, make("summary", {}, say("mask.help")), make("p", { id: "garret-mask-keys" }, say("mask.keys")));
    return make("div", {}, this.fault, this.status, extending((sides) => this.#extend(sides)), keys);
  }

  // The picture that is begun from now, with what is painted on it: here, or by another visit of this page.
  async #load() {
    const [now, { signal }] = [begun(KIND), this.#stop];
    if (!now.image || this.#loading === now.shown || (there(now) && this.layer === kept.layer)) return;
    this.#loading = now.shown;
    try {
      const loaded = there(now) ? null : await fresh(now);
      if (signal.aborted || begun(KIND).image !== now.image) return;
      // The element that stood here before may have been sooner.
      if (loaded && !there(begun(KIND))) kept = loaded;
      this.#place();
    } catch (error) {
      this.#fault(wordsOf(error));
    } finally {
      if (!signal.aborted) this.#loading = "";
    }
    if (!signal.aborted && begun(KIND).image !== now.image) this.#load();
  }

  #place() {
    const { picture, layer } = kept;
    this.view.canvas.style.aspectRatio = `${picture.width} / ${picture.height}`;
    this.view.show(picture, layer);
    this.view.resize();
    this.#sized(Math.max(8, Math.round(Math.max(layer.width, layer.height) / 12)));
    if (!coming) return;
    layer.take(coming);
    coming = null;
    this.ended();
  }

  #redraw() {
    const { brush, eraser, undo, redo, size, px, shown } = this.#parts;
    brush.setAttribute("aria-pressed", String(!this.erase));
    eraser.setAttribute("aria-pressed", String(this.erase));
    shown.setAttribute("aria-pressed", String(this.view.shown));
    undo.disabled = !this.layer?.undoable;
    redo.disabled = !this.layer?.redoable;
    size.value = Math.round((100 * Math.log(this.size)) / Math.log(SIZES.largest));
    px.textContent = `${Math.round(this.size)} px`;
    this.view.draw();
  }

  #sized(size) {
    this.size = Math.min(SIZES.largest, Math.max(SIZES.smallest, size));
    if (this.view.cursor) this.view.cursor.size = this.size;
    this.#redraw();
  }

  #tint(name) {
    this.view.tint = name;
    this.view.draw();
  }

  #show() {
    this.view.shown = !this.view.shown;
    this.#redraw();
  }

  #fault(text) {
    this.fault.textContent = text;
    this.fault.hidden = !text;
  }

  #all(what) {
    this.layer[what]();
    this.told(say(`mask.did_${what}`));
    this.ended();
  }

  async #upload(event) {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    this.#fault("");
    try {
      const { blob } = await fitting(file, limits);
      const picture = await createImageBitmap(blob);
      this.layer.take(picture);
      picture.close();
      this.told(say("mask.did_upload"));
      this.ended();
    } catch (error) {
      this.#fault(wordsOf(error));
    }
  }

  // Take a larger picture with this one in it, and what is new under the mask.
  async #extend(sides) {
    const { shown, width, height, name } = begun(KIND);
    if (tooLarge(width, height, sides)) return say("extend.too_large");
    const image = make("img", { src: shown });
    await image.decode();
    const { whole, mask: added } = extended(image, this.layer.canvas, sides);
    const file = new File([await new Promise((done) => whole.toBlob(done))], name || "picture.png", { type: "image/png" });
    coming = added;
    await begin(KIND, { file });
    if (begun(KIND).fault) coming = null;
    return begun(KIND).fault && say("extend.failed");
  }

  // What the hand asks for.
  told(text) {
    this.status.textContent = text;
  }

  resized(factor) {
    this.#sized(this.size * factor);
    this.told(say("mask.sized", { pixels: Math.round(this.size) }));
  }

  tool(erase) {
    this.erase = erase;
    this.#redraw();
    this.told(say(erase ? "mask.eraser" : "mask.brush"));
  }

  undo() {
    if (this.layer.undo()) this.ended();
  }

  redo() {
    if (this.layer.redo()) this.ended();
  }

  began() {
    masking(KIND);
    clearTimeout(this.#timer);
    this.view.draw();
  }

  ended() {
    masking(KIND);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#send(), REST_MS);
    this.#redraw();
  }

  async #send() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const painted = kept;
    const blob = await painted.layer.png();
    if (begun(KIND).image === painted.image) await mask(KIND, blob, (digest) => (painted.sent = digest));
  }
}

// Whether what is painted here belongs to what is begun from.
function there({ image, mask: digest }) {
  return kept !== null && kept.image === image && (begun(KIND).masking || kept.sent === digest);
}

async function fresh({ image, mask: digest, shown }) {
  const picture = await opened(shown);
  const layer = new MaskLayer(picture.width, picture.height);
  if (digest) layer.take(await opened(`/v1/inputs/${digest}`));
  return { image, sent: digest, picture, layer };
}

// A picture by its address, no larger than what is painted with.
async function opened(address) {
  const image = make("img", { src: address });
  await image.decode();
  const { width, height } = new MaskLayer(image.naturalWidth, image.naturalHeight);
  return createImageBitmap(image, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
}

define("mask", Mask);
