// What the sections of the machine are put together from: headings, facts by name, and bars that show a share.

import { make } from "./element.js";
import { bytes, number, say } from "./words.js";

let made = 0;

// A section with a heading; `body` is what is filled anew.
export function section(title, ...children) {
  const id = `garret-machine-${(made += 1)}`;
  const body = make("div", { class: "garret-machine-body" }, ...children);
  const node = make("section", { "aria-labelledby": id }, make("h3", { id, class: "garret-machine-title" }, title), body);
  return { node, body };
}

// Names with what they stand for; what nobody knows says so.
export function facts(...pairs) {
  return make(
    "dl",
    {},
    pairs.filter(Boolean).map(([name, value]) =>
      make("div", {}, make("dt", {}, name), make("dd", {}, value === null || value === undefined || value === "" ? unknown() : value)),
    ),
  );
}

export function unknown() {
  return make("span", { class: "garret-dim" }, say("machine.unknown"));
}

// A name, a bar for its share of a whole, and the numbers in words.
export function meter(name, share, words) {
  const known = share !== null && Number.isFinite(share);
  const percent = known ? Math.round(100 * Math.min(1, Math.max(0, share))) : 0;
  const bar = make("span", { class: percent >= 90 ? "garret-meter-high" : "" });
  bar.style.width = `${percent}%`;
  const text = known ? words : say("machine.unknown");
  return make(
    "div",
    { class: "garret-meter" },
    make("div", { class: "garret-meter-words", "aria-hidden": "true" }, make("span", {}, name), make("span", {}, text)),
    make(
      "div",
      {
        class: "garret-meter-bar",
        role: "meter",
        "aria-label": name,
        "aria-valuemin": 0,
        "aria-valuemax": 100,
        "aria-valuenow": percent,
        "aria-valuetext": text,
      },
      bar,
    ),
  );
}

// Bytes used of so many.
export function filled(name, used, total) {
  const known = used !== null && used !== undefined && total;
  return meter(name, known ? used / total : null, known ? say("machine.of", { used: bytes(used), total: bytes(total) }) : "");
}

export function percents(name, percent) {
  const known = percent !== null && percent !== undefined;
  return meter(name, known ? percent / 100 : null, known ? say("machine.share", { percent: number(percent) }) : "");
}
