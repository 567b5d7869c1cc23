// What models are called in the page's language.

import { knows, language, say } from "./words.js";

export const TYPES = ["checkpoint", "lora", "vae", "upscaler", "embedding", "other"];

// The family that a model is of or made for, as people write it; what has no words stays as it is.
export function familyOf(model) {
  const bare = model.family.replace(/^(lora|embedding)-/, "");
  if (bare === model.type || bare === "unknown") return "";
  return knows(`models.family.${bare}`) ? say(`models.family.${bare}`) : bare;
}

export function typeOf(model) {
  return say(`models.type.${model.type}`);
}

// Why the service cannot use a model; what it said itself where there are no better words.
export function problemOf(model) {
  if (!model.problem) return "";
  const [first, second = ""] = model.family.split("-");
  const own = { lora: "lora", vae: "vae", esrgan: "upscaler", compact: "upscaler" }[first] || "checkpoint";
  const known = model.family !== "unknown" && model.family !== "";
  if (known && model.type !== "other" && own !== model.type) {
    return say("models.problem.type", { actual: say(`models.type.${own}`), type: typeOf(model) });
  }
  const family = ["sd1", "sd2", "sd3", "flux", "dit"].find((one) => one === (second || first));
  if (family) return say("models.problem.family", { family: say(`models.family.${family}`) });
  if (model.family === "vae-16") return say("models.problem.vae");
  return language.startsWith("zh") ? say("models.problem.said", { reason: model.problem }) : model.problem;
}
