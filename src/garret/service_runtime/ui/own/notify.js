// That a job is over: read out to who listens to the page, and, where somebody wants it, told by a sound or by the system.

import { make } from "./element.js";
import { stateOf } from "./job_card.js";
import { toldOfJob } from "./faults.js";
import { store } from "./job_store.js";
import { say } from "./words.js";

const SOUND = "garret-sound";
const SYSTEM = "garret-notify";
const NOTES_HZ = [660, 880];
const NOTE_S = 0.14;

const spoken = make("div", { class: "garret-spoken", role: "status" });
document.body.append(spoken);

const wants = (name) => localStorage.getItem(name) === "yes";
const canTell = "Notification" in window && window.isSecureContext;
let audio = null;

function ring() {
  audio ??= new AudioContext();
  NOTES_HZ.forEach((pitch, at) => {
    const [tone, loudness] = [audio.createOscillator(), audio.createGain()];
    const begin = audio.currentTime + at * NOTE_S;
    tone.frequency.value = pitch;
    loudness.gain.setValueAtTime(0.12, begin);
    loudness.gain.exponentialRampToValueAtTime(0.001, begin + NOTE_S);
    tone.connect(loudness).connect(audio.destination);
    tone.start(begin);
    tone.stop(begin + NOTE_S);
  });
}

function tell(title, body) {
  const note = new Notification(title, { body, tag: "garret-job" });
  note.onclick = () => { window.focus(); note.close(); };
}

store.addEventListener("ended", ({ detail: { job } }) => {
  if (job.state === "Cancelled") return;
  const words = job.state === "Success" ? stateOf(job) : toldOfJob(job);
  spoken.textContent = say("jobs.spoken", { what: words });
  if (wants(SOUND)) ring();
  if (wants(SYSTEM) && canTell && Notification.permission === "granted" && document.hidden) tell(words, job.request.prompt.slice(0, 120));
});

function choice(key, name, chosen) {
  const box = make("input", { type: "checkbox", checked: wants(key), class: `garret-jobs-${name}` });
  box.addEventListener("change", async () => {
    box.checked = box.checked && (await chosen());
    localStorage.setItem(key, box.checked ? "yes" : "no");
  });
  return make("label", { class: "garret-jobs-choice" }, box, say(`jobs.${name}`));
}

async function heard() {
  ring(); // what it will sound like; browsers allow it from here on
  return true;
}

async function allowed() {
  return (await Notification.requestPermission()) === "granted";
}

// The choices of how to be told, none of them made unless somebody does.
export function choices() {
  return [choice(SOUND, "sound", heard), canTell && choice(SYSTEM, "notify", allowed)];
}
