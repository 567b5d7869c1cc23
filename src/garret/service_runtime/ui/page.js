"use strict";

const field = (name) => document.getElementById(name);

function say(text, wrong = false) {
  field("status").textContent = text;
  field("status").className = wrong ? "wrong" : "";
}

async function call(path, body) {
  const options = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
  const answer = await fetch(path, options);
  const reply = await answer.json();
  if (!answer.ok) throw new Error(reply.errors || reply.detail || answer.statusText);
  return reply;
}

function number(name) {
  return field(name).value === "" ? null : Number(field(name).value);
}

async function fill(name, path, key, first) {
  const entries = await call(path);
  for (const entry of entries) field(name).add(new Option(entry[key], entry[key], false, entry[key] === first));
}

async function make(event) {
  event.preventDefault();
  field("make").disabled = true;
  say("Working …");
  try {
    const reply = await call("/sdapi/v1/txt2img", {
      prompt: field("prompt").value,
      negative_prompt: field("negative").value,
      width: number("width"), height: number("height"), steps: number("steps"), seed: number("seed"),
      sampler_name: field("sampler").value || null,
      override_settings: field("model").value ? { sd_model_checkpoint: field("model").value } : {},
    });
    field("picture").src = "data:image/png;base64," + reply.images[0];
    field("picture").alt = field("prompt").value;
    field("caption").textContent = JSON.parse(reply.info).infotexts[0];
    field("result").hidden = false;
    say("");
  } catch (error) {
    say(error.message, true);
  } finally {
    field("make").disabled = false;
  }
}

field("form").addEventListener("submit", make);
fill("model", "/sdapi/v1/sd-models", "model_name").catch((error) => say(error.message, true));
fill("sampler", "/sdapi/v1/samplers", "name", "Euler").catch((error) => say(error.message, true));
