// The line at the top: whose node this is, the language, the colours, and the way out.

import { toggleColours } from "./colours.js";
import { define, Element, fill, make } from "./element.js";
import { told } from "./faults.js";
import { logOut } from "./leaving.js";
import { language, say } from "./words.js";

const YEAR_S = 31536000;

function chooseLanguage(name) {
  document.cookie = `garret_language=${name}; path=/; max-age=${YEAR_S}; SameSite=Strict`;
  location.reload();
}

async function leave() {
  try {
    await logOut();
  } catch (error) {
    alert(told(error)); // somebody who believes to be logged out must not be in
  }
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
      make("button", { type: "button", onclick: toggleColours }, say("bar.colours")),
      make("a", { href: "/docs" }, say("bar.docs")),
      login && make("button", { type: "button", onclick: leave }, say("bar.log_out")),
    );
  }
}

define("bar", Bar);
