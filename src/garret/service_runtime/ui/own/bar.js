// The line at the top: whose machine this is, what holds of it now, the language, the colours, and the way out.

import { toggleColours } from "./colours.js";
import { facts, sayLoggedOut } from "./connection.js";
import { define, Element, fill, make } from "./element.js";
import { told } from "./faults.js";
import { logOut } from "./leaving.js";
import { language, say } from "./words.js";
import "./tabs.js";

const YEAR_S = 31536000;

function chooseLanguage(name) {
  document.cookie = `garret_language=${name}; path=/; max-age=${YEAR_S}; SameSite=Strict`;
  location.reload();
}

async function leave() {
  try {
    await logOut();
    sayLoggedOut();
  } catch (error) {
    alert(told(error)); // somebody who believes to be logged out must not be in
  }
}

class Bar extends Element {
  #note = make("span", { class: "garret-bar-note", role: "status" });
  #told = ({ detail }) => this.tell(detail);

  show({ deployment = "", login = false }) {
    const chinese = language.startsWith("zh");
    const other = chinese ? ["en", "English"] : ["zh", "中文"];
    facts.addEventListener("machine", this.#told);
    fill(
      this,
      make("h1", { class: "garret-bar-name", translate: "no" }, deployment || "garret"),
      this.#note,
      make("span", { class: "garret-space" }),
      make("button", { type: "button", class: "garret-bar-language", lang: chinese ? "en" : "zh-CN", onclick: () => chooseLanguage(other[0]) }, other[1]),
      make("button", { type: "button", class: "garret-bar-colours", onclick: toggleColours }, say("bar.colours")),
      make("a", { class: "garret-bar-docs", href: "/docs" }, say("bar.docs")),
      login && make("button", { type: "button", class: "garret-bar-out", onclick: leave }, say("bar.log_out")),
    );
  }

  disconnectedCallback() {
    facts.removeEventListener("machine", this.#told);
  }

  // With little memory pictures are the same and take longer; who waits should know why.
  tell({ workers = [] }) {
    const low = (workers ?? []).some(({ mode }) => mode === "low-vram");
    const text = low ? say("bar.low_vram") : "";
    if (this.#note.textContent !== text) this.#note.textContent = text;
    this.#note.title = low ? say("bar.low_vram_why") : "";
  }
}

define("bar", Bar);
