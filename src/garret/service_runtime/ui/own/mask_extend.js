// A picture that goes on beyond its edges: what is added is painted, a different length on each side.

import { button } from "./dialog.js";
import { make } from "./element.js";
import { say } from "./words.js";

const SIDES = ["left", "top", "right", "bottom"];
const STEP = 8;
const MOST = 1024;
const RIM = 16; // of the picture, painted as well: or its edge would stay to be seen
const MOST_SIDE = 4096;

// The controls; `extend(sides)` is called with pixels by the names of sides, and returns words for what is wrong.
export function extending(extend) {
  const fault = make("p", { class: "garret-error", role: "alert", hidden: true });
  const inputs = SIDES.map((side) => make("input", { type: "number", min: "0", max: String(MOST), step: String(STEP), value: "0", name: side, class: `garret-extend-${side}` }));
  const act = async () => {
    const sides = Object.fromEntries(inputs.map((input) => [input.name, Math.min(MOST, Math.max(0, Math.round(Number(input.value) / STEP) * STEP || 0))]));
    const wrong = Object.values(sides).some(Boolean) ? await extend(sides) : say("extend.nothing");
    fault.textContent = wrong || "";
    fault.hidden = !wrong;
    if (!wrong) for (const input of inputs) input.value = "0";
  };
  const fields = inputs.map((input) => make("label", { class: "garret-extend-side" }, make("span", {}, say(`extend.${input.name}`)), input));
  return make("details", { class: "garret-extend" },
    make("summary", {}, say("extend.title")),
    make("p", {}, say("extend.info")),
    make("div", { class: "garret-buttons" }, fields, button(say("extend.act"), act, { class: "garret-button garret-extend-act" })),
    fault);
}

// Whether there is no picture so large.
export function tooLarge(width, height, { left, top, right, bottom }) {
  return Math.max(width + left + right, height + top + bottom) > MOST_SIDE;
}

// The larger picture, with its edges drawn out into what is added, and the mask that is white there.
export function extended(picture, mask, { left, top, right, bottom }) {
  const [width, height] = [picture.naturalWidth, picture.naturalHeight];
  const whole = canvas(width + left + right, height + top + bottom);
  const context = whole.getContext("2d");
  const across = [[0, 1, 0, left], [0, width, left, width], [width - 1, 1, left + width, right]];
  const down = [[0, 1, 0, top], [0, height, top, height], [height - 1, 1, top + height, bottom]];
  for (const [x, wide, toX, toWide] of across) {
    for (const [y, high, toY, toHigh] of down) {
      if (toWide && toHigh) context.drawImage(picture, x, y, wide, high, toX, toY, toWide, toHigh);
    }
  }
  return { whole, mask: around(whole, mask, { left, top, right, bottom, width, height }) };
}

function around(whole, mask, { left, top, right, bottom, width, height }) {
  const white = canvas(whole.width, whole.height);
  const context = white.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, white.width, white.height);
  const rim = (side) => (side ? RIM : 0);
  const [x, y] = [left + rim(left), top + rim(top)];
  const [wide, high] = [width - rim(left) - rim(right), height - rim(top) - rim(bottom)];
  if (wide > 0 && high > 0) context.clearRect(x, y, wide, high);
  context.drawImage(mask, left, top, width, height);
  return white;
}

function canvas(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height });
}
