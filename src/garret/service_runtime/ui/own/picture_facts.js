// What a picture was made from, to be read and copied.

import { copyButton } from "./copying.js";
import { make } from "./element.js";
import { parsed } from "./infotext.js";
import { bytes, knows, lasting, moment, number, say } from "./words.js";

// The facts of a picture: its record as GET /v1/images/ID has it, or what POST /v1/images/read said of a file.
export function factsOf(facts) {
  const { prompt, negative, pairs } = parsed(facts.infotext || "");
  const rows = [...sizes(facts), ...pairs.map(([name, value]) => [named(name), value])];
  return make(
    "div",
    { class: "garret-facts" },
    facts.infotext ? words("picture.prompt", prompt) : make("p", {}, say("picture.says_nothing")),
    negative && words("picture.negative_prompt", negative),
    make("dl", {}, rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", { translate: "no" }, value)))),
    ...Object.entries(facts.notes || {}).map(([, text]) => make("p", { class: "garret-quiet", translate: "no" }, String(text))),
    facts.infotext && whole(facts.infotext),
  );
}

function sizes(facts) {
  const known = [];
  if (facts.created_at) known.push([say("picture.made_at"), moment(facts.created_at)]);
  if (facts.kept_until) known.push([say("picture.kept_until"), moment(facts.kept_until)]);
  if (facts.seconds) known.push([say("picture.took"), facts.seconds < 60 ? say("time.seconds", { seconds: number(facts.seconds, 1) }) : lasting(facts.seconds)]);
  if (facts.width) known.push([say("picture.pixels"), `${number(facts.width)} \u00d7 ${number(facts.height)}`]);
  const kind = (facts.media_type || "").replace("image/", "").toUpperCase();
  if (facts.size) known.push([say("picture.file"), `${kind} ${bytes(facts.size)}`]);
  return known;
}

// A1111's names are English; those that many pictures have are said in the page's language.
function named(name) {
  const key = `picture.pair.${name.toLowerCase().replace(/[^a-z0-9]+/g, "_")}`;
  return knows(key) ? say(key) : make("span", { translate: "no" }, name);
}

function words(key, text) {
  const copy = copyButton(() => text, { name: `${say("copying.copy")}: ${say(key)}` });
  return make(
    "section",
    { class: "garret-picture-words" },
    make("div", {}, make("h3", {}, say(key)), text && copy),
    make("p", { translate: "no" }, text || "\u2013"),
  );
}

function whole(text) {
  const body = make("pre", { translate: "no", tabindex: "0" }, text);
  const copy = copyButton(() => text, { words: say("picture.copy_all") });
  return make("details", { class: "garret-whole" }, make("summary", {}, say("picture.infotext")), body, copy);
}
