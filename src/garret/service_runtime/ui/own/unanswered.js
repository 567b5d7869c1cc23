// What Gradio asks Python and gets no answer to: said in the page's own words, where Gradio has an English box for it.

import { call, events } from "./api.js";
import { fill, make } from "./element.js";
import { say } from "./words.js";

const ASKED = "/gradio_api/run/predict";
const AWAY = [502, 503, 504];
const OLD = 409; // the service was updated under this page
const PAGE = { "Garret-Page": window.gradio_config.garret_shape };
const asking = window.fetch;

window.fetch = async (input, options) => {
  if (!String(input?.url ?? input).includes(ASKED)) return asking(input, options);
  try {
    const headers = { ...Object.fromEntries(new Headers(options?.headers)), ...PAGE };
    const answer = await asking(input, { ...options, headers });
    if (answer.ok) answered();
    else if (AWAY.includes(answer.status)) unanswered();
    else if (answer.status === OLD) told(say("fault.NoRoute"));
    else if (answer.status === 401) look();
    return answer;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    unanswered();
    return new Response("{}", { status: 503, headers: { "Content-Type": "application/json" } });
  }
};

function unanswered() {
  told(say("fault.offline"), "garret-unanswered");
  look();
}

// It answers again: what was said of that is over.
function answered() {
  for (const said of document.querySelectorAll(".garret-unanswered")) said.remove();
}

events.addEventListener("online", answered);

function told(text, kind = "") {
  for (const place of document.querySelectorAll("garret-made, garret-form")) {
    if (place.checkVisibility()) fill(place, make("p", { class: `garret-error ${kind}`, role: "alert" }, text));
  }
}

// Ask once as the rest of the page does: what watches over the connection hears of it.
function look() {
  call("/v1/queue").catch(() => {});
}
