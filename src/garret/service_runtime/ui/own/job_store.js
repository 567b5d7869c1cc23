// The jobs of whoever is logged in, as all parts of the page see them: also those asked for by a program, or in another
// tab or browser. One question, GET /v1/queue, tells how far all of them are; streams would take a browser's few
// connections away from each other as soon as there are several tabs.

import { ask, call, events as service } from "./api.js";
import { TimeLeft } from "./time_left.js";

const QUICK_MS = 350; // while something of ours is being made
const AWAY_MS = 2000; // the same, in a window that nobody sees
const CALM_MS = 3000; // nothing of ours is there, as far as is known
const BACK_OFF_MS = [500, 1000, 2000, 4000, 8000];
const LOOK_BACK_S = 3600; // what ended longer ago is the gallery's alone
const KEPT = 30;
const ONE_BY_ONE = 3;
const HIDDEN = "garret-jobs-hidden";

const isOpen = (job) => job.ended_at === null || job.ended_at === undefined;

// What a job's record says to be asked for again: an empty field is the service's own choice.
function askedAgain(request) {
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== null && value !== ""));
}

class Store extends EventTarget {
  #jobs = new Map();
  #times = new Map();
  #hidden = new Set(JSON.parse(sessionStorage.getItem(HIDDEN) || "[]"));
  #timer = null;
  #looking = false;
  #failed = 0;
  #out = false;
  #gone = false;
  #ended = null; // how many of ours are over, as the service counts them
  #heard = 0; // and of how many of those we have learned otherwise since
  queue = null; // what GET /v1/queue said last: length, limit, expected_s

  constructor() {
    super();
    service.addEventListener("signed-out", () => { this.#out = true; });
    service.addEventListener("signed-in", () => this.#again());
    document.addEventListener("visibilitychange", () => document.hidden || this.look());
    window.addEventListener("pagehide", () => { this.#gone = true; });
    window.addEventListener("pageshow", ({ persisted }) => { this.#gone = false; if (persisted) this.look(); });
    this.#begin();
  }

  // All that is to be seen: those at work, those that wait in their order, and then what ended, newest first.
  jobs() {
    const shown = [...this.#jobs.values()].filter((job) => !this.#hidden.has(job.id));
    const open = shown.filter(isOpen).sort((one, other) => one.position - other.position || one.created_at - other.created_at);
    const over = shown.filter((job) => !isOpen(job)).sort((one, other) => other.ended_at - one.ended_at);
    return [...open, ...over];
  }

  job(id) {
    return this.#jobs.get(id) ?? null;
  }

  // How many are not over, hidden or not.
  get open() {
    return [...this.#jobs.values()].filter(isOpen);
  }

  // A job that this page has just asked for.
  add(id) {
    this.#hidden.delete(id);
    return this.#fetch([id]).finally(() => this.look());
  }

  async cancel(id) {
    await call(`/v1/jobs/${id}`, { method: "DELETE" });
    await this.#fetch([id]);
  }

  // Ask for the same once more; the new job's id.
  async retry(id) {
    const { id: next } = await call("/v1/jobs", { method: "POST", body: askedAgain(this.#jobs.get(id).request) });
    this.hide(id);
    await this.add(next);
    return next;
  }

  // Take an ended job, or all of them, out of sight; its pictures stay.
  hide(...ids) {
    for (const id of ids) this.#hidden.add(id);
    sessionStorage.setItem(HIDDEN, JSON.stringify([...this.#hidden].slice(-200)));
    this.#tell("change");
  }

  // Look now, and from then on as often as is worth it.
  async look() {
    clearTimeout(this.#timer);
    if (this.#looking || this.#out || this.#gone) return;
    this.#looking = true;
    try {
      await this.#hear(await call("/v1/queue"));
      this.#failed = 0;
    } catch {
      this.#failed += 1; // api.js has said so to whom it concerns
    } finally {
      this.#looking = false;
      this.#wait();
    }
  }

  #wait() {
    clearTimeout(this.#timer);
    if (this.#out || this.#gone) return;
    const busy = this.open.length > 0;
    if (document.hidden && !busy) return;
    const usual = busy ? (document.hidden ? AWAY_MS : QUICK_MS) : CALM_MS;
    const back = this.#failed ? BACK_OFF_MS[Math.min(this.#failed, BACK_OFF_MS.length) - 1] : 0;
    this.#timer = setTimeout(() => this.look(), Math.max(back, this.#failed ? 0 : usual));
  }

  async #begin() {
    try {
      // First, so that what ends meanwhile is noticed.
      this.#ended = (await call("/v1/queue")).ended;
      await this.#lately(true);
    } catch {
      // The first look says it.
    }
    this.look();
  }

  // Whatever is ours of late, also what came and went between two looks.
  async #lately(quiet) {
    const answer = await ask(`/v1/jobs?limit=${KEPT}`);
    // By the clock that the records are written by.
    const since = (Date.parse(answer.headers.get("Date")) || Date.now()) / 1000 - LOOK_BACK_S;
    for (const job of (await answer.json()).reverse()) if (isOpen(job) || job.ended_at > since) this.#keep(job, quiet);
    this.#tell("change");
  }

  #again() {
    this.#out = false;
    this.#failed = 0;
    this.look();
  }

  async #hear(queue) {
    this.queue = queue;
    const mine = new Map(queue.mine.map((one) => [one.id, one]));
    const asked = [];
    for (const one of queue.mine) {
      const known = this.#jobs.get(one.id);
      if (!known || (known.pictures?.length ?? 0) < one.progress.pictures_done) asked.push(one.id);
      if (known) this.#move(known, one);
    }
    const over = this.open.filter((job) => !mine.has(job.id));
    const missed = this.#ended !== null && queue.ended !== this.#ended + over.length + this.#heard;
    this.#ended = queue.ended;
    asked.push(...over.map((job) => job.id));
    if (missed) await this.#lately(false);
    if (asked.length) await this.#fetch(asked);
    this.#heard = 0;
    this.#tell("change");
  }

  // What is new of a job that is not over.
  #move(job, { position, expected_s, progress }) {
    const time = this.#times.get(job.id) ?? new TimeLeft();
    this.#times.set(job.id, time);
    Object.assign(job, { position, progress, left_s: this.#behind(position, time.tell(progress, position, expected_s)) });
    if (position === 0 && job.state === "Queued") job.state = "Running";
  }

  // What the service has learned of jobs as they usually are; what runs now may take longer, and is before this one.
  #behind(position, left) {
    if (!position || left === null) return left;
    const running = this.open.filter((job) => job.position === 0).map((job) => job.left_s ?? 0);
    return Math.max(left, Math.max(0, ...running) + left / (position + 1));
  }

  async #fetch(ids) {
    let found = [];
    if (ids.length > ONE_BY_ONE) found = await call(`/v1/jobs?limit=${Math.min(1000, KEPT + ids.length)}`);
    const missing = ids.filter((id) => !found.some((job) => job.id === id));
    for (const id of missing) {
      try {
        found.push(await call(`/v1/jobs/${id}`));
      } catch (fault) {
        if (fault.status !== 404) throw fault;
        this.#drop(id);
      }
    }
    for (const job of found) if (ids.includes(job.id)) this.#keep(job, false);
    this.#tell("change");
  }

  #keep(job, quiet) {
    const before = this.#jobs.get(job.id);
    const had = new Set((before?.pictures ?? []).map((one) => one.number));
    const fresh = job.pictures.filter((one) => !had.has(one.number)).map((one) => one.number);
    this.#jobs.set(job.id, { ...job, left_s: before?.left_s ?? null });
    if (quiet) return;
    if (fresh.length) this.#tell("picture", { job, numbers: fresh });
    if (!isOpen(job)) {
      this.#times.delete(job.id);
      if (!before || isOpen(before)) {
        this.#heard += 1;
        this.#tell("ended", { job });
      }
      this.#shed();
    }
  }

  #drop(id) {
    this.#jobs.delete(id);
    this.#times.delete(id);
  }

  // Only so many of those that ended are held here.
  #shed() {
    const over = [...this.#jobs.values()].filter((job) => !isOpen(job)).sort((one, other) => other.ended_at - one.ended_at);
    for (const job of over.slice(KEPT)) this.#drop(job.id);
  }

  #tell(name, detail = {}) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

export const store = new Store();
export { isOpen };
