// The pictures that are begun from, one for each tab that has one, wherever the tab's element is: what was sent of them
// to the service, and what is on its way. A reload finds them again by their digests.

import { call, Fault } from "./api.js";
import { fitting, Unfit } from "./picture_file.js";
import { sendFile } from "./sending.js";
import { bytes, say } from "./words.js";

export const events = new EventTarget(); // "change" and, for a new picture, "begun", with detail {kind}

const STORED = "garret-begun";
const CHECK_AFTER_MS = 1_200_000; // an input that no job names is kept for an hour
const NONE = { image: "", mask: "", width: 0, height: 0, name: "", shown: "", phase: "empty", share: 0, fault: "", masking: false, checked: 0 };
const states = { image: { ...NONE }, inpaint: { ...NONE } };
const ways = {}; // by kind, what stops the picture that is on its way
const files = {}; // by kind, the file that was chosen, for a service that has forgotten it
let turns = 0; // counts what is painted
export const limits = { most_bytes: 20_000_000, most_pixels: 64_000_000 };

// What a tab begins from now: phase is "empty", "sending" or "ready"; with `fault`, what went wrong in words.
export function begun(kind) {
  return { ...states[kind] };
}

// Whether something is on its way that Sample has to wait for.
export function busy(kind) {
  return Boolean(states[kind] && (states[kind].phase === "sending" || states[kind].masking));
}

function change(kind, facts) {
  Object.assign(states[kind], facts);
  keep();
  events.dispatchEvent(new CustomEvent("change", { detail: { kind } }));
}

// Begin from a file, or from a finished picture by its id. A mask goes with the picture that it was painted on.
export async function begin(kind, { file = null, image = "", name = "" }) {
  ways[kind]?.abort();
  const way = (ways[kind] = new AbortController());
  const last = { ...states[kind] };
  change(kind, { phase: "sending", share: 0, fault: "" });
  try {
    const sent = image ? await byName(image, way) : await byFile(kind, file, way);
    if (last.shown.startsWith("blob:")) URL.revokeObjectURL(last.shown);
    files[kind] = file;
    const shown = image ? `/v1/images/${image}/file` : URL.createObjectURL(sent.blob);
    const { sha256, width, height } = sent.kept;
    turns += 1;
    change(kind, { ...NONE, image: sha256, width, height, name: name || file?.name || "", shown, phase: "ready", checked: Date.now() });
    events.dispatchEvent(new CustomEvent("begun", { detail: { kind } }));
  } catch (error) {
    if (ways[kind] !== way) return; // another one took its place
    const stopped = error.name === "AbortError";
    change(kind, { ...last, phase: last.image ? "ready" : "empty", fault: stopped ? "" : wordsOf(error) });
  }
}

async function byName(image, way) {
  return { kept: await call("/v1/inputs", { method: "PUT", body: { image }, signal: way.signal }) };
}

async function byFile(kind, file, way) {
  const { blob } = await fitting(file, limits);
  const progress = (share) => ways[kind] === way && change(kind, { share });
  return { blob, kept: await sendFile("/v1/inputs", blob, { progress, signal: way.signal }) };
}

// Begin in another tab from the same picture, which the service has already.
export function pass(from, to) {
  stop(to);
  const { image, width, height, name, shown } = states[from];
  turns += 1;
  files[to] = files[from];
  const seen = shown.startsWith("blob:") ? `/v1/inputs/${image}` : shown;
  change(to, { ...NONE, image, width, height, name, shown: seen, phase: "ready", checked: Date.now() });
  events.dispatchEvent(new CustomEvent("begun", { detail: { kind: to } }));
}

// Stop what is on its way; what was there before stays.
export function stop(kind) {
  ways[kind]?.abort();
}

export function forget(kind, fault = "") {
  stop(kind);
  turns += 1;
  change(kind, { ...NONE, fault });
}

// Begin from what the service has by its digest already: after a reload, or as a job before did.
export function recall(kind, { image, mask = "", width = 0, height = 0, name = "" }) {
  if (states[kind].image === image && states[kind].mask === mask) return;
  turns += 1;
  change(kind, { ...NONE, image, mask, width, height, name, shown: `/v1/inputs/${image}`, phase: "ready" });
  check(kind);
}

// Something was painted, and will be sent when the hand rests: Sample waits from now on.
export function masking(kind) {
  turns += 1;
  if (!states[kind].masking) change(kind, { masking: true });
}

// Send the mask as it is now; null is none. `sent` is told its digest before anybody else is.
export async function mask(kind, blob, sent = () => {}) {
  const turn = turns;
  let told = { mask: "", fault: "" };
  try {
    if (blob) told.mask = (await sendFile("/v1/inputs?kind=mask", blob)).sha256;
  } catch (error) {
    told = { mask: "", fault: wordsOf(error) };
  }
  // Somebody went on painting, or took another picture meanwhile.
  if (turn !== turns) return;
  sent(told.mask);
  change(kind, { ...told, masking: false });
}

export function wordsOf(error) {
  if (error instanceof Unfit) return error.message;
  if (!(error instanceof Fault)) return say("begin.failed", { reason: String(error.message || error) });
  if (error.status === 413) return say("begin.too_large_there", { most: bytes(limits.most_bytes) });
  if (error.status === 401) return say("begin.signed_out");
  if (error.status === 404 || error.status === 410) return say("begin.gone");
  if (error.status === 507) return say("begin.no_room");
  if (error.status === 422) return say("begin.refused", { reason: error.message });
  return error.status ? say("begin.failed", { reason: error.message }) : error.message;
}

// Ask whether the service still has a picture, which makes it keep it; what it has forgotten is sent once more.
export async function check(kind) {
  const { image, mask: painted, phase } = states[kind];
  if (phase !== "ready" || !image) return;
  states[kind].checked = Date.now();
  try {
    for (const digest of [image, painted]) if (digest) await look(digest);
  } catch (error) {
    if (error.status !== 404 && error.status !== 410) return;
    if (states[kind].image !== image) return;
    if (files[kind]) await begin(kind, { file: files[kind] });
    else forget(kind, say("begin.forgotten"));
  }
}

async function look(digest) {
  const answer = await fetch(`/v1/inputs/${digest}`, { cache: "no-cache" });
  if (!answer.ok) throw new Fault(answer.status);
}

function again() {
  if (document.visibilityState !== "visible") return;
  for (const kind of Object.keys(states)) if (Date.now() - states[kind].checked > CHECK_AFTER_MS) check(kind);
}

function keep() {
  const told = Object.entries(states).map(([kind, { image, mask: painted, width, height, name }]) => [kind, { image, mask: painted, width, height, name }]);
  sessionStorage.setItem(STORED, JSON.stringify(Object.fromEntries(told)));
}

function restore() {
  let told = {};
  try {
    told = JSON.parse(sessionStorage.getItem(STORED) || "{}");
  } catch {
    return; // another version's
  }
  for (const kind of Object.keys(states)) if (told[kind]?.image) recall(kind, told[kind]);
}

restore();
document.addEventListener("visibilitychange", again);
document.addEventListener("pointerdown", again);
