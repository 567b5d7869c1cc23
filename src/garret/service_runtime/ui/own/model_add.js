// Bringing a model here: from an address or a hub, or from this computer.

import { make } from "./element.js";
import { Downloads } from "./model_downloads.js";
import { whyNot } from "./model_failures.js";
import { sourceOf, typeHinted } from "./model_sources.js";
import { Uploads } from "./model_uploads.js";
import { say } from "./words.js";

const TYPES = ["checkpoint", "lora", "vae", "upscaler", "other"];
const LOOKS = ".safetensors,.pth";

export class Add {
  constructor() {
    this.said = make("p", { class: "garret-note garret-note-bad", role: "alert", hidden: true });
    const tell = (text, bad) => this.#say(text, bad);
    this.downloads = new Downloads(tell);
    this.uploads = new Uploads(tell, () => this.files.click());
    this.element = make("section", { class: "garret-add", "aria-label": say("models.add") },
      make("h3", {}, say("models.add")),
      this.#ways(), this.said, this.uploads.list, this.downloads.list);
    this.element.addEventListener("dragover", (event) => this.#over(event, true));
    this.element.addEventListener("dragleave", (event) => this.#over(event, false));
    this.element.addEventListener("drop", (event) => this.#drop(event));
    for (const { list } of [this.downloads, this.uploads]) list.hidden = !list.children.length;
  }

  #ways() {
    this.source = field("source", { placeholder: say("models.add_hint"), autocomplete: "off", spellcheck: "false", inputmode: "url",
      "aria-describedby": "garret-models-known", oninput: () => this.#hear() });
    this.heard = make("p", { class: "garret-dim garret-heard", role: "status" });
    this.type = make("select", { id: "garret-models-type", onchange: () => this.#showFolder() },
      make("option", { value: "" }, say("models.type_itself")), ...TYPES.map((type) => make("option", { value: type }, say(`models.type.${type}`))));
    this.name = field("name", { autocomplete: "off", translate: "no" });
    this.token = field("token", { type: "password", autocomplete: "new-password", maxlength: 4096 });
    this.sha256 = field("sha256", { autocomplete: "off", spellcheck: "false", maxlength: 64, pattern: "[0-9a-fA-F]{64}" });
    this.folder = field("folder", { autocomplete: "off", placeholder: "ControlNet" });
    this.folderField = labelled("folder", this.folder);
    this.folderField.hidden = true;
    this.files = make("input", { type: "file", class: "garret-away garret-models-files", multiple: true, accept: LOOKS, tabindex: "-1",
      "aria-label": say("models.choose_files"), onchange: () => this.#take() });
    const form = make("form", { class: "garret-add-form", onsubmit: (event) => this.#submit(event) },
      make("div", { class: "garret-add-line" }, labelled("source", this.source),
        make("label", { class: "garret-field garret-add-type", for: "garret-models-type" }, say("models.field.type"), this.type),
        make("button", { type: "submit", class: "garret-button garret-first garret-download" }, say("models.download"))),
      this.heard,
      make("p", { id: "garret-models-known", class: "garret-dim" }, say("models.add_known")),
      this.folderField,
      make("details", { class: "garret-fold" }, make("summary", {}, say("models.more")),
        make("div", { class: "garret-add-more" }, labelled("name", this.name), labelled("token", this.token), labelled("sha256", this.sha256)),
        make("p", { class: "garret-dim" }, say("models.token_words"))));
    const own = make("div", { class: "garret-drop" }, this.files,
      make("button", { type: "button", class: "garret-button garret-choose-files", onclick: () => this.files.click() }, say("models.choose_files")),
      make("span", { class: "garret-dim" }, say("models.drop_words")));
    return [form, own];
  }

  #showFolder() {
    this.folderField.hidden = this.type.value !== "other";
  }

  #hear() {
    const found = this.source.value.trim() ? sourceOf(this.source.value) : {};
    this.heard.textContent = found.from && found.from !== this.source.value.trim() ? say("models.heard", { source: found.from }) : "";
    if (!found.problem) this.said.hidden = true;
  }

  async #submit(event) {
    event.preventDefault();
    const source = sourceOf(this.source.value);
    this.source.toggleAttribute("aria-invalid", Boolean(source.problem));
    if (source.problem) {
      this.source.focus();
      return this.#say(say(source.problem), true);
    }
    const optional = { name: this.name.value.trim(), token: this.token.value.trim(), sha256: this.sha256.value.trim(),
      directory: this.type.value === "other" ? this.folder.value.trim() : "" };
    const body = { ...source, type: this.type.value || typeHinted(source.from || source.url) || "checkpoint",
      ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value)) };
    try {
      this.said.hidden = true;
      await this.downloads.begin(body, !this.type.value);
      for (const one of [this.source, this.name, this.token, this.sha256]) one.value = "";
      this.#hear();
    } catch (fault) {
      this.#say(whyNot(fault), true);
    }
  }

  #take() {
    this.said.hidden = true;
    this.uploads.add([...this.files.files], this.type.value, this.folder.value.trim());
    this.files.value = "";
  }

  #over(event, is) {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    this.element.classList.toggle("garret-over", is);
  }

  #drop(event) {
    this.#over(event, false);
    if (event.dataTransfer.files.length) this.uploads.add([...event.dataTransfer.files], this.type.value, this.folder.value.trim());
  }

  #say(text, bad = false) {
    this.said.hidden = false;
    this.said.classList.toggle("garret-note-bad", bad);
    this.said.textContent = text;
  }
}

function field(name, attributes) {
  return make("input", { id: `garret-models-${name}`, type: "text", ...attributes });
}

function labelled(name, input) {
  return make("label", { class: `garret-field garret-field-${name}`, for: input.id }, say(`models.field.${name}`), input);
}
