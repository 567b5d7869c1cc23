// Why a model did not come or cannot be used, in the page's words: what the service says in English is known by its form.

import { told } from "./faults.js";
import { familyName, typeName } from "./model_words.js";
import { say } from "./words.js";

const TYPES = { checkpoint: "checkpoint", LoRA: "lora", VAE: "vae", upscaler: "upscaler" };
const FAMILIES = { "Stable Diffusion 1.x": "sd1", "Stable Diffusion 2.x": "sd2", "Stable Diffusion 3": "sd3", Flux: "flux", "a diffusion transformer": "dit" };
const TYPE = "(checkpoint|LoRA|VAE|upscaler)";
const KNOWN = [
  [new RegExp(`its tensors are those of an? ${TYPE}, not of an? ${TYPE}`), "type", (found) => ({ actual: typeName(TYPES[found[1]]), type: typeName(TYPES[found[2]]) })],
  [/by its tensors it is (?:a LoRA for|a checkpoint of) (.+?), and this service/, "family", (found) => ({ family: familyName(FAMILIES[found[1]] || found[1]) })],
  [/VAE of 16 channels/, "vae"],
  [/no upscaler that this service can build/, "upscaler"],
  [/refuses access|answers with status 40[13]|early access/, "access"],
  [/no such file on the server|answers with status 4(04|10)/, "gone"],
  [/no PNG, JPEG or WebP picture|not a picture|(PNG|JPEG|WebP) picture|larger than \d+ MB/, "picture"],
  [/is a web page|web page \(HTML\)/, "page"],
  [/disk has (\d+) MiB free, and the file with the reserve needs (\d+) MiB/, "room", (found) => ({ free: found[1], needed: found[2] })],
  [/the disk is full/, "full"],
  [/another file is called (.+?) (?:already|by now)/, "name", (found) => ({ name: found[1] })],
  [/is being downloaded already/, "twice"],
  [/SHA-256/, "hash"],
  [/not a public address/, "private"],
  [/over plain http/, "plain"],
  [/pickle|zip archive/, "pickle"],
  [/is no safetensors file|not JSON|ends inside its header|has only \d+ bytes|is not whole|is a picture|gzip|GGUF|LFS/, "format"],
  [/names no model of CivitAI|has no version that can be had|belongs to CivitAI's model|has no \.safetensors file/, "civitai"],
  [/process that ran it has ended/, "ended"],
  [/does not answer|connection broke|no connection|gave up after|resolve|asks to come back/, "silent"],
  [/downloads run already/, "many"],
  [/uploads are open already/, "open"],
];

// The words for what an operation or a fault of the API says.
export function why(message) {
  for (const [pattern, key, values] of KNOWN) {
    const found = message.match(pattern);
    if (found) return say(`models.why.${key}`, values ? values(found) : {});
  }
  return say("models.why.other", { reason: message });
}

// Why the service cannot use a model that is here; empty when it can.
export function problemOf(model) {
  return model.problem ? why(model.problem) : "";
}

// The words for a Fault: those of its message where it has words, else those of its kind.
export function whyNot(fault) {
  const own = fault.status && KNOWN.some(([pattern]) => pattern.test(fault.message));
  return own ? why(fault.message) : told(fault);
}

// The type that a file turned out to be of, where that is why it was refused.
export function typeInstead(error) {
  const found = `${error.message} ${error.hint || ""}`.match(new RegExp(`those of an? ${TYPE}, not of`));
  return found ? TYPES[found[1]] : "";
}
