// What somebody should know of the service while the page is open: it does not answer, the login has ended, the machine
// is about to stop itself. Also says to the machine, now and then, that somebody sits before the page.

import { call, events } from "./api.js";
import { fill, make } from "./element.js";
import { told } from "./faults.js";
import { store } from "./job_store.js";
import { wayBack } from "./leaving.js";
import { say } from "./words.js";

const BEAT_MS = 60000;
const SOON_BEAT_MS = 20000;
const ATTENTIVE_MS = 15 * 60000; // who has touched nothing for so long may have gone
const SOON_S = 600;
const HOLD_S = 3600;
const PATIENT_MS = 1200; // a request that was cut off by a new page is no trouble
const SHOWN_MS = 4000;

export const facts = new EventTarget(); // "machine" ({detail}): what GET /machine says; "back": somebody is here again
const others = "BroadcastChannel" in window ? new BroadcastChannel("garret-login") : null;
const banners = new Map();
const place = make("div", { class: "garret-banners", role: "region", "aria-label": say("connection.region") });
let touched = Date.now();
let beaten = 0;
let timer = null;
let out = false;
let stopsAt = null; // in ms, by this machine's clock
let leaving = false;

// Show a banner, or with no words take it away. `grave` ones are read out at once.
function banner(name, text, { kind = "", buttons = [] } = {}) {
  if (banners.get(name)?.dataset.text === text && text) return;
  banners.get(name)?.remove();
  banners.delete(name);
  if (!text) return;
  const grave = kind === "grave";
  const node = make("div", { class: `garret-banner garret-banner-${kind || "plain"}`, role: grave ? "alert" : "status", "data-banner": name, "data-text": text },
    make("span", {}, text), buttons);
  banners.set(name, node);
  place.append(node);
}

function button(name, work) {
  return make("button", { type: "button", class: `garret-banner-button garret-banner-${name}`, onclick: work }, say(`connection.${name}`));
}

// ---- the service does not answer

let absent = null;

function offline() {
  clearTimeout(absent);
  absent = setTimeout(() => {
    if (leaving) return;
    const stopped = stopsAt !== null && Date.now() > stopsAt - 30000;
    const key = !navigator.onLine ? "connection.no_network" : stopped ? "connection.stopped" : "connection.offline";
    banner("offline", say(key), { kind: "grave", buttons: [button("again", () => store.look())] });
    document.documentElement.classList.add("garret-offline");
  }, PATIENT_MS);
}

function online() {
  clearTimeout(absent);
  document.documentElement.classList.remove("garret-offline");
  if (!banners.has("offline")) return;
  banner("offline", "");
  banner("back", say("connection.back"), { kind: "good" });
  setTimeout(() => banner("back", ""), SHOWN_MS);
  beat();
}

// ---- the login has ended

function signedOut() {
  if (out || leaving) return;
  out = true;
  clearTimeout(timer);
  // Forms keep what was typed, and the open tab is remembered.
  banner("login", say("connection.signed_out"), {
    kind: "grave",
    buttons: [make("a", { class: "garret-banner-button garret-banner-login", href: wayBack() }, say("connection.log_in"))],
  });
  others?.postMessage("out");
}

function signedIn() {
  out = false;
  banner("login", "");
  beat();
}

// Whoever leaves by the bar leaves in all windows.
export function sayLoggedOut() {
  leaving = true;
  others?.postMessage("out");
}

// Another window has logged in or out: the cookie is the same for all.
const lookWhoIsIn = () => call("/v1/queue").catch(() => {});

// ---- the machine

function showStop({ stops_in_s: left, waits_s: patience = null, asked = false } = {}) {
  stopsAt = left === null || left === undefined ? null : Date.now() + 1000 * left;
  // Where it waits for a few minutes only, somebody who works is not told so all the time.
  const soon = asked || (stopsAt !== null && left < Math.min(SOON_S, patience ? patience / 2 : SOON_S));
  if (!soon) return banner("stop", "");
  const minutes = Math.max(1, Math.ceil((left ?? 0) / 60));
  const text = asked ? say("connection.stopping") : say("connection.stops_soon", { minutes });
  banner("stop", text, { kind: "grave", buttons: asked ? [] : [button("keep", keepOn)] });
}

async function keepOn() {
  try {
    const autostop = await call("/machine/hold", { method: "POST", body: { seconds: HOLD_S } });
    showStop(autostop);
    banner("stop", "");
    banner("kept", say("connection.kept"), { kind: "good" });
  } catch (fault) {
    banner("kept", told(fault), { kind: "grave" });
  }
  setTimeout(() => banner("kept", ""), SHOWN_MS);
}

// A page that somebody looks at keeps its machine; one that was left open in the evening does not.
export async function beat() {
  clearTimeout(timer);
  if (out || leaving || document.hidden) return;
  beaten = Date.now();
  try {
    const autostop = attentive() ? await call("/machine/page", { method: "POST", body: {} }) : null;
    const machine = await call("/machine");
    facts.dispatchEvent(new CustomEvent("machine", { detail: machine }));
    showStop(autostop ?? machine.autostop);
  } catch {
    // What does not answer, or whose login has ended, is told by the events.
  }
  clearTimeout(timer);
  timer = setTimeout(beat, banners.has("stop") ? SOON_BEAT_MS : BEAT_MS);
}

// Whether somebody sits here, as far as one can tell: what nobody sees must not be asked for, if that keeps the node on.
export const attentive = () => Date.now() - touched < ATTENTIVE_MS;

function touch() {
  const away = !attentive();
  touched = Date.now();
  if (!away) return;
  beat();
  facts.dispatchEvent(new Event("back"));
}

function begin() {
  document.body.append(place);
  for (const sign of ["pointermove", "pointerdown", "keydown", "wheel", "touchstart"]) document.addEventListener(sign, touch, { passive: true });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    touch();
    if (out) lookWhoIsIn();
    else if (Date.now() - beaten > BEAT_MS) beat();
  });
  window.addEventListener("pagehide", () => { leaving = true; });
  window.addEventListener("pageshow", ({ persisted }) => { leaving = false; if (persisted) beat(); });
  window.addEventListener("focus", () => out && lookWhoIsIn());
  window.addEventListener("online", () => store.look());
  window.addEventListener("offline", () => offline());
  events.addEventListener("incomplete", () => banner("incomplete", say("connection.incomplete"), { kind: "grave", buttons: [button("reload", () => location.reload())] }));
  for (const [name, work] of Object.entries({ offline, online, "signed-out": signedOut, "signed-in": signedIn })) events.addEventListener(name, work);
  others?.addEventListener("message", lookWhoIsIn);
  others?.postMessage("in");
  beat();
}

begin();
