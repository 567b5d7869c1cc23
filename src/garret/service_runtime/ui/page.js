"use strict";

const POLL_MS = 500;
const SMALL = 512;
const BEAT_MS = 60000;
const ATTENTIVE_MS = 15 * 60000;
const SOON_S = 600;
const models = new Map();
let touched = Date.now();
let asking = null;

const field = (name) => document.getElementById(name);

function say(text, wrong = false) {
  field("status").textContent = text;
  field("status").className = wrong ? "wrong" : "";
}

async function call(path, body, signal) {
  const options = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
  const answer = await fetch(path, { ...options, signal });
  const reply = await answer.json();
  if (!answer.ok) throw new Error(reply.errors || reply.detail || answer.statusText);
  return reply;
}

function number(name) {
  return field(name).value === "" ? null : Number(field(name).value);
}

async function fill(name, path, key, first, wanted = () => true) {
  const entries = (await call(path)).filter(wanted);
  for (const entry of entries) field(name).add(new Option(entry[key], entry[key], false, entry[key] === first));
  return entries;
}

// A refiner only finishes what another model began.
function begins(model) {
  return model.garret_family !== "sdxl-refiner";
}

function describe() {
  const size = models.get(field("model").value);
  const small = size && size < SMALL;
  field("about").textContent = small
    ? `A small demo model: it draws shapes in colours at ${size} × ${size}, e.g. a red circle on a blue background.`
    : "";
  for (const name of ["width", "height"]) field(name).placeholder = size || "auto";
}

function progress({ state }) {
  const line = state.job_count > 1 ? `, ${state.job_count} jobs in line` : "";
  if (state.sampling_step) return `Working … step ${state.sampling_step} of ${state.sampling_steps}${line}`;
  return `Working …${line}`;
}

async function watch(signal) {
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (signal.aborted) return;
    try {
      const text = progress(await call("/sdapi/v1/progress", null, signal));
      if (!signal.aborted) say(text);
    } catch {
      // The picture's own request tells what is wrong; a look at its progress may fail.
    }
  }
}

function show(reply) {
  const info = JSON.parse(reply.info);
  const words = info.prompt.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60).replace(/^-+|-+$/g, "");
  field("picture").src = "data:image/png;base64," + reply.images[0];
  field("picture").alt = info.prompt;
  field("caption").textContent = info.infotexts[0];
  field("download").href = field("picture").src;
  field("download").download = `${words || "picture"}-${info.seed}.png`;
  field("result").hidden = false;
  say(Object.entries(info.extra_generation_params).map(([name, value]) => `${name} ${value}`).join("; "));
}

function working(yes) {
  field("make").disabled = yes;
  field("stop").disabled = !yes;
  field("result").classList.toggle("working", yes);
}

async function make(event) {
  event.preventDefault();
  const watching = new AbortController();
  asking = new AbortController();
  working(true);
  say("Working …");
  watch(watching.signal);
  try {
    const reply = await call("/sdapi/v1/txt2img", {
      prompt: field("prompt").value,
      negative_prompt: field("negative").value,
      width: number("width"), height: number("height"), steps: number("steps"), seed: number("seed"),
      sampler_name: field("sampler").value || null,
      override_settings: field("model").value ? { sd_model_checkpoint: field("model").value } : {},
    }, asking.signal);
    show(reply);
  } catch (error) {
    if (asking.signal.aborted) say("Stopped");
    else say(error.message, true);
  } finally {
    watching.abort();
    working(false);
    look();
  }
}

// A page that somebody looks at keeps its node; one that was left open in the evening does not.
async function beat() {
  const sits = !document.hidden && Date.now() - touched < ATTENTIVE_MS;
  try {
    const said = sits ? await call("/machine/page", {}) : (await call("/machine")).autostop;
    const soon = said.stops_in_s !== null && said.stops_in_s < SOON_S;
    field("soon").textContent = soon ? `This node stops itself in ${Math.ceil(said.stops_in_s / 60)} min.` : "";
  } catch {
    // A node that is gone tells it by itself at the next picture.
  }
}

// With little memory pictures are the same and take longer; who waits should know why.
async function look() {
  try {
    const { workers } = await call("/machine");
    const low = (workers || []).some((worker) => worker.mode === "low-vram");
    field("mode").textContent = low ? "Low-VRAM mode: the GPU's memory is short, so pictures take longer." : "";
  } catch {
    // Nothing to say of a node that does not answer now.
  }
}

async function start() {
  const checkpoints = await fill("model", "/sdapi/v1/sd-models", "model_name", null, begins);
  for (const entry of checkpoints) models.set(entry.model_name, entry.garret_native_size);
  describe();
  await fill("sampler", "/sdapi/v1/samplers", "name", "Euler");
  look();
}

setInterval(beat, BEAT_MS);
for (const sign of ["pointermove", "pointerdown", "keydown", "wheel", "visibilitychange"]) {
  document.addEventListener(sign, () => { touched = Date.now(); }, { passive: true });
}
field("form").addEventListener("submit", make);
// Leaving the request stops this picture alone; /sdapi/v1/interrupt would stop every job of the same login.
field("stop").addEventListener("click", () => asking && asking.abort());
field("model").addEventListener("change", describe);
start().catch((error) => say(error.message, true));
