// The picture that is begun from made larger, with nothing painted: a job of its own beside the form's.

import { call } from "./api.js";
import { begun } from "./begun.js";
import { button } from "./dialog.js";
import { fill, make } from "./element.js";
import { told } from "./faults.js";
import { store } from "./job_store.js";
import { number, say } from "./words.js";

const SCALES = [1.5, 2, 3, 4];

// The controls, folded away; the names are asked for when they are opened.
export function enlarging(kind) {
  const upscaler = make("select", { class: "garret-larger-upscaler", translate: "no" });
  const scale = make("select", { class: "garret-larger-scale" }, SCALES.map((one) => make("option", { value: String(one), selected: one === 2 }, say("larger.times", { times: number(one, 1) }))));
  const fault = make("p", { class: "garret-error", role: "alert", hidden: true });
  const act = async (event) => {
    const pressed = event.currentTarget;
    pressed.disabled = true;
    const wrong = await ask(kind, upscaler.value, Number(scale.value));
    pressed.disabled = false;
    fault.textContent = wrong;
    fault.hidden = !wrong;
  };
  const named = (key, control) => make("label", { class: "garret-extend-side" }, make("span", {}, say(key)), control);
  const opened = (event) => event.currentTarget.open && !upscaler.length && names(upscaler);
  return make("details", { class: "garret-extend garret-larger", ontoggle: opened },
    make("summary", {}, say("larger.title")),
    make("p", {}, say("larger.info")),
    make("div", { class: "garret-buttons" }, named("larger.upscaler", upscaler), named("larger.scale", scale), button(say("larger.act"), act, { class: "garret-button garret-extend-act garret-larger-act" })),
    fault);
}

async function names(upscaler) {
  const { data } = await call("/v1/upscalers").catch(() => ({ data: [] }));
  // Networks first; what only enlarges latents is no use here, and neither is what only repeats pixels.
  const usable = data.filter((one) => one.kind !== "latent" && !["None", "Nearest"].includes(one.name));
  usable.sort((one, other) => (one.kind === "plain") - (other.kind === "plain") || (other.name === "Lanczos") - (one.name === "Lanczos"));
  fill(upscaler, usable.map((one) => make("option", { value: one.name }, one.name)));
}

// Returns words for what is wrong, else none.
async function ask(kind, upscaler, scale) {
  try {
    const { id } = await call("/v1/jobs", { method: "POST", body: { upscale: { image: begun(kind).image, upscaler, scale } } });
    store.add(id);
    return "";
  } catch (error) {
    return told(error);
  }
}
