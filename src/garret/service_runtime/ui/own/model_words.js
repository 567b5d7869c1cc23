// What models are called in the page's language.

import { knows, say } from "./words.js";

export const TYPES = ["checkpoint", "lora", "vae", "upscaler", "embedding", "other"];

// The family that a model is of or made for, as people write it; what has no words stays as it is.
export function familyOf(model) {
  const bare = model.family.replace(/^(lora|embedding)-/, "");
  return bare === model.type || bare === "unknown" ? "" : familyName(bare);
}

export function familyName(name) {
  return knows(`models.family.${name}`) ? say(`models.family.${name}`) : name;
}

export function typeName(type) {
  return say(`models.type.${type}`);
}

export function typeOf(model) {
  return typeName(model.type);
}
