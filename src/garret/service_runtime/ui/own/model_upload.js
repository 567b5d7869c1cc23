// One file on its way up: hashed, announced, sent in chunks that may be sent again, checked. It waits out a lost
// connection, and the same file chosen again, even tomorrow, goes on where it broke off.

import { ask, call } from "./api.js";

const SMALLEST = 256 << 10;
const LARGEST = 8 << 20;
const AIM_MS = 1500;
const LONGEST_PAUSE_S = 20;
const KEPT = "garret-uploads";
const PASSING = [0, 408, 502, 503, 504];

// Uploads that this browser began and that did not end: by id, {name, size, type}.
export function unfinished() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) || {};
  } catch {
    return {};
  }
}

export function remember(id, facts) {
  const { [id]: gone, ...others } = unfinished();
  localStorage.setItem(KEPT, JSON.stringify(facts ? { ...others, [id]: facts } : others));
}

const lockOf = (id) => `garret-upload-${id}`;

// Ids of those that a page of this browser is sending now, which may be another tab.
export async function beingSent() {
  const { held = [] } = (await navigator.locks?.query()) || {};
  return Object.keys(unfinished()).filter((id) => held.some(({ name }) => name === lockOf(id)));
}

export class Upload extends EventTarget {
  phase = "hashing"; // hashing, sending, waiting, paused, checking; then done, failed or cancelled
  done = 0;
  fault = null;
  id = "";
  #stop = new AbortController();
  #chunk = 1 << 20;

  constructor(file, { type, directory = "" }) {
    super();
    Object.assign(this, { file, type, directory, name: file.name, size: file.size });
  }

  get over() {
    return ["done", "failed", "cancelled"].includes(this.phase);
  }

  async run() {
    try {
      const sha256 = await this.#hash();
      await this.#announce(sha256);
      if (!this.over) await this.#send();
    } catch (fault) {
      if (fault.name !== "AbortError") this.#at("failed", { fault });
    }
  }

  // Stop, and throw away what came of it.
  async cancel() {
    this.#at("cancelled");
    this.#stop.abort();
    if (!this.id) return;
    remember(this.id, null);
    await call(`/v1/uploads/${this.id}`, { method: "DELETE" }).catch(() => {});
  }

  #at(phase, changes = {}) {
    if (this.phase === "cancelled") return;
    Object.assign(this, { phase, ...changes });
    this.dispatchEvent(new Event("change"));
  }

  #hash() {
    const worker = new Worker(new URL("./hash_worker.js", import.meta.url));
    this.#stop.signal.addEventListener("abort", () => worker.terminate());
    return new Promise((found, failed) => {
      worker.onmessage = ({ data }) => {
        if (data.done !== undefined) return this.#at("hashing", { done: data.done });
        worker.terminate();
        return data.sha256 ? found(data.sha256) : failed(new Error(data.failed));
      };
      worker.onerror = (event) => failed(new Error(event.message || "worker"));
      worker.postMessage({ file: this.file });
    });
  }

  async #announce(sha256) {
    this.sha256 = sha256;
    const state = await this.#patiently(() => this.#announced());
    if (state.model) return this.#end(state.model);
    this.id = state.id;
    remember(this.id, { name: this.name, size: this.size, type: this.type });
    this.#hold();
    return this.#at("sending", { done: state.received, began: performance.now(), from: state.received });
  }

  async #send() {
    while (this.done < this.size) {
      const [at, began] = [this.done, performance.now()];
      const state = await this.#patiently(() => this.#put(at), () => this.#whereWeAre());
      const took = performance.now() - began;
      this.#chunk = Math.round(Math.min(LARGEST, Math.max(SMALLEST, (this.#chunk * AIM_MS) / Math.max(took, 50))));
      this.#at("sending", { done: state.received });
    }
    this.#at("checking");
    const model = await this.#patiently(
      () => call(`/v1/uploads/${this.id}/finish`, { method: "POST", signal: this.#stop.signal }), () => this.#placed());
    this.#end(model);
  }

  async #put(at) {
    const body = this.file.slice(at, Math.min(this.size, at + this.#chunk));
    return (await ask(`/v1/uploads/${this.id}?offset=${at}`, { method: "PUT", body, signal: this.#stop.signal })).json();
  }

  async #whereWeAre() {
    const state = await call(`/v1/uploads/${this.id}`, { signal: this.#stop.signal });
    this.done = state.received;
    return state;
  }

  // It may have its place already, and only the answer was lost.
  async #placed() {
    return (await this.#announced()).model || null;
  }

  #announced() {
    const { type, name, size, sha256, directory } = this;
    const body = { type, name, size, sha256, ...(directory ? { directory } : {}) };
    return call("/v1/uploads", { method: "POST", body, signal: this.#stop.signal });
  }

  // As long as it is not over: a lock is let go when the page is, however that comes.
  #hold() {
    navigator.locks?.request(lockOf(this.id), { ifAvailable: true }, () => new Promise((done) => {
      this.addEventListener("change", () => this.over && done());
    }));
  }

  #end(model) {
    remember(this.id, null);
    this.#at("done", { model, done: this.size });
  }

  // Do it again as long as the connection or the login is what fails; `after` looks where to go on.
  async #patiently(work, after = null) {
    let failed = null;
    for (let tries = 0; ; tries += 1) {
      try {
        const known = failed && after ? await after() : null;
        return known || (await work());
      } catch (fault) {
        const step = fault.status === 409 && tries < 5;
        if (!PASSING.includes(fault.status) && fault.status !== 401 && !step) throw fault;
        failed = fault;
        this.#at(fault.status === 401 ? "paused" : "waiting", { fault });
        await this.#pause(Math.min(LONGEST_PAUSE_S, step ? 1 : 2 ** Math.min(tries, 5)));
      }
    }
  }

  #pause(seconds) {
    return new Promise((done, stopped) => {
      const timer = setTimeout(done, seconds * 1000);
      this.#stop.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        stopped(new DOMException("cancelled", "AbortError"));
      }, { once: true });
      // Back online: no need to wait for the rest.
      addEventListener("online", done, { once: true });
    });
  }
}
