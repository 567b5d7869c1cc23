// How many tokens the words have, and what in them is not read as it was meant: asked while somebody types.

import { call } from "./api.js";
import { get } from "./bridge.js";
import { define, Element, fill, make } from "./element.js";
import { say } from "./words.js";

const WAIT_MS = 250;
const SHOWN = 3;
const AROUND = 12;
const FIELDS = ["prompt", "negative_prompt"];
// What the service says of a text, and the words for it.
const PROBLEMS = [
  [/^nothing closes this (?<mark>.)/, "unclosed"],
  [/^no . opens this (?<mark>.)/, "unopened"],
  [/^more than (?<count>\d+) brackets/, "deep"],
  [/^AND joins (?<count>\d+) texts/, "joined"],
  [/^'(?<name>.*)' stands in the negative prompt/, "negative_tag"],
  [/^the tag of '(?<name>.*)' (?<why>.*)/, "tag"],
  [/^the embedding (?<name>\S+) /, "embedding"],
  [/^has (?<count>\d+) characters/, "long"],
];
const counters = new Map(); // by kind

class Counter {
  #timer = null;
  #asking = null;

  constructor(kind) {
    this.kind = kind;
    this.shown = new Set();
  }

  soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), WAIT_MS);
  }

  async #ask() {
    this.#asking?.abort();
    this.#asking = new AbortController();
    const texts = Object.fromEntries(FIELDS.map((name) => [name, get(`${this.kind}-${name}`) ?? ""]));
    const styles = (get(`${this.kind}-styles`) || "").split("\n").filter(Boolean);
    const checkpoint = get(`${this.kind}-checkpoint`) || "";
    try {
      const counts = await call("/v1/tokens", {
        method: "POST", body: { ...texts, styles, checkpoint }, signal: this.#asking.signal,
      });
      for (const one of this.shown) one.tell(counts, texts[one.field]);
    } catch {
      // Whether the service answers is said elsewhere; a count that is not there says nothing.
      for (const one of this.shown) one.tell(null, "");
    }
  }
}

function counterOf(kind) {
  if (!counters.has(kind)) counters.set(kind, new Counter(kind));
  return counters.get(kind);
}

class Tokens extends Element {
  show({ kind, field }) {
    this.field = field;
    this.counter = counterOf(kind);
    this.counter.shown.add(this);
    this.count = make("span", { class: "garret-token-count" });
    this.problems = make("div", { role: "status" });
    fill(this, this.count, this.problems);
    this.counter.soon();
  }

  disconnectedCallback() {
    this.counter?.shown.delete(this);
  }

  tell(counts, text) {
    const about = counts?.[this.field];
    const { tokens = null, chunks = 1, problems = [] } = about || {};
    const size = counts?.chunk_size || 75;
    this.count.textContent = tokens === null ? "" : `${tokens}/${size * Math.max(1, chunks)}`;
    this.count.title = say("form.tokens_help", { size });
    this.count.classList.toggle("garret-over", chunks > 1);
    if (chunks > 1) this.count.append(` · ${say("form.chunks", { chunks, size })}`);
    const told = problems.slice(0, SHOWN).map((one) => problem(one, text));
    if (problems.length > SHOWN) told.push(make("li", {}, say("form.problem.more", { count: problems.length - SHOWN })));
    fill(this.problems, told.length > 0 && make("ul", { class: "garret-problems", "aria-label": say("form.problems") }, told));
  }
}

function problem({ at, length, severity, problem: said }, text) {
  const characters = Array.from(text);
  const place = characters.slice(at, at + Math.min(Math.max(length, AROUND), AROUND * 2)).join("");
  const [pattern, key] = PROBLEMS.find(([one]) => one.test(said)) || [];
  const words = key ? say(`form.problem.${key}`, pattern.exec(said).groups) : say("form.problem.other", { problem: said });
  const mark = place && make("q", { translate: "no" }, place);
  return make("li", { class: severity === "error" ? "garret-error" : "" }, mark, mark && " ", words);
}

function changed({ target }) {
  const kind = target.closest?.(".garret-make")?.id.replace(/-make$/, "");
  if (kind && ["prompt", "negative_prompt", "styles", "checkpoint"].some((name) => target.closest(`#${kind}-${name}`))) {
    counterOf(kind).soon();
  }
}

document.addEventListener("input", changed);
document.addEventListener("change", changed);
document.addEventListener("garret-filled", ({ detail }) => counterOf(detail.kind).soon());
define("tokens", Tokens);
