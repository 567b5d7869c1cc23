"use strict";

const WAIT_S = 0.5;
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

async function call(path, method = "GET", body = null) {
  const sent = body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, { method, ...sent });
  const reply = await answer.json();
  if (!answer.ok) throw new Error(reply.errors || reply.detail || answer.statusText);
  return reply;
}

function number(name) {
  return field(name).value === "" ? null : Number(field(name).value);
}

async function fill(name, path, key, first, wanted = () => true) {
  const entries = (await call(path)).data.filter(wanted);
  for (const entry of entries) field(name).add(new Option(entry[key], entry[key], false, entry[key] === first));
  return entries;
}

// A refiner only finishes what another model began.
function begins(model) {
  return model.family !== "sdxl-refiner";
}

function describe() {
  const size = models.get(field("model").value);
  const small = size && size < SMALL;
  field("about").textContent = small
    ? `A small demo model: it draws shapes in colours at ${size} × ${size}, e.g. a red circle on a blue background.`
    : "";
  for (const name of ["width", "height"]) field(name).placeholder = size || "auto";
}

function told({ position, progress }) {
  if (position) return position > 1 ? `Waiting: ${position - 1} before it …` : "Waiting …";
  return progress && progress.step ? `Working … step ${progress.step} of ${progress.steps}` : "Working …";
}

// Until the job is over: each answer comes at its end, or after a moment with how far it is.
async function ended(job) {
  let seen = job;
  while (seen.ended_at === null) {
    say(told(seen));
    seen = await call(`${job.url}?wait=${WAIT_S}`);
  }
  return seen;
}

function show(job) {
  const [picture] = job.pictures;
  const words = job.request.prompt.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60).replace(/^-+|-+$/g, "");
  field("picture").src = picture.url;
  field("picture").alt = job.request.prompt;
  field("caption").textContent = picture.infotext;
  field("download").href = picture.url;
  field("download").download = `${words || "picture"}-${picture.seed}.png`;
  field("result").hidden = false;
  say(Object.entries(job.notes).map(([name, value]) => `${name} ${value}`).join("; "));
}

function working(yes) {
  field("make").disabled = yes;
  field("stop").disabled = !yes;
  field("result").classList.toggle("working", yes);
}

async function make(event) {
  event.preventDefault();
  working(true);
  say("Working …");
  try {
    asking = await call("/v1/jobs", "POST", {
      prompt: field("prompt").value,
      negative_prompt: field("negative").value,
      width: number("width"), height: number("height"), steps: number("steps"), seed: number("seed"),
      sampler: field("sampler").value || null,
      checkpoint: field("model").value || null,
    });
    const job = await ended(asking);
    if (job.state === "Success") show(job);
    else say(job.state === "Cancelled" ? "Stopped" : job.error.message, job.state !== "Cancelled");
  } catch (error) {
    say(error.message, true);
  } finally {
    asking = null;
    working(false);
    look();
  }
}

// A page that somebody looks at keeps its node; one that was left open in the evening does not.
async function beat() {
  const sits = !document.hidden && Date.now() - touched < ATTENTIVE_MS;
  try {
    const said = sits ? await call("/machine/page", "POST", {}) : (await call("/machine")).autostop;
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
  const checkpoints = await fill("model", "/v1/models", "name", null, begins);
  for (const entry of checkpoints) models.set(entry.name, entry.native_size);
  describe();
  await fill("sampler", "/v1/samplers", "name", "Euler");
  look();
}

setInterval(beat, BEAT_MS);
for (const sign of ["pointermove", "pointerdown", "keydown", "wheel", "visibilitychange"]) {
  document.addEventListener(sign, () => { touched = Date.now(); }, { passive: true });
}
field("form").addEventListener("submit", make);
field("stop").addEventListener("click", () => asking && call(asking.url, "DELETE").catch((error) => say(error.message, true)));
field("model").addEventListener("change", describe);
start().catch((error) => say(error.message, true));
