// The line at the top: whose node this is, the language, the colours, and the way out.

import { define, Element, fill, make } from "./element.js";
import { language, say } from "./words.js";

const YEAR_S = 31536000;

function chooseLanguage(name) {
  document.cookie = `garret_language=${name}; path=/; max-age=${YEAR_S}; SameSite=Strict`;
  location.reload();
}

function colours() {
  const dark = document.body.classList.toggle("dark");
  localStorage.setItem("garret-colours", dark ? "dark" : "light");
}

class Bar extends Element {
  show({ deployment = "", login = false }) {
    const chinese = language.startsWith("zh");
    fill(
      this,
      make("strong", {}, deployment || "garret"),
      make("span", { class: "garret-space" }),
      make("button", { type: "button", lang: chinese ? "en" : "zh-CN", onclick: () => chooseLanguage(chinese ? "en" : "zh") },
        chinese ? "English" : "中文"),
      make("button", { type: "button", onclick: colours }, say("bar.colours")),
      make("a", { href: "/docs" }, say("bar.docs")),
      login && make("form", { method: "post", action: "/logout" }, make("button", {}, say("bar.log_out"))),
    );
  }
}

const kept = localStorage.getItem("garret-colours");
if (kept) document.body.classList.toggle("dark", kept === "dark");
define("bar", Bar);
