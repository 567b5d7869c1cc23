// Something to be read, in the page's words: <garret-said facts={key, values, kind}>; kind "error" is read out at once.

import { define, Element } from "./element.js";
import { say } from "./words.js";

class Said extends Element {
  show({ key = "", values = {}, text = "", kind = "" }) {
    this.textContent = key ? say(key, values) : text;
    this.className = kind ? `garret-said garret-${kind}` : "garret-said";
    this.setAttribute("role", kind === "error" ? "alert" : "status");
  }
}

define("said", Said);
