// A small client of garret's native API: plain fetch, no dependency; Node.js 18 or newer, and browsers.
// What it speaks is in docs/jobs.md; copy it, or import it as it is.

const PATIENCE_MS = 120_000;

/** What a service answers instead of what was asked for: `status`, `field`, `reason` and `hint`. */
export class GarretError extends Error {
  constructor(status, said, retryAfter) {
    const message = said.errors || `HTTP ${status}`;
    super(message);
    this.name = "GarretError";
    this.status = status;
    this.kind = said.error?.code ?? said.error; // of a model it is an object, as OpenAI's clients read it
    this.field = said.field;
    this.reason = said.field ? message.replace(`${said.field}: `, "") : message;
    const [first] = Array.isArray(said.detail) ? said.detail : []; // of a field; else the message with the hint behind it
    const whole = first ? `${first.loc?.at(-1)}: ${first.msg}` : String(said.detail ?? "");
    this.hint = whole.startsWith(message) ? whole.slice(message.length).replace(/^[. ]+/, "") : "";
    this.retryAfter = retryAfter;
  }
}

/** A job that has ended without all its pictures; `job` says why. */
export class JobFailed extends Error {
  constructor(job) {
    super(job.error?.message ?? `the job has ended as ${job.state}`);
    this.name = "JobFailed";
    this.job = job;
  }
}

export class Garret {
  /** `url` and `token` are what `garret env` prints; or give `login` and `password`. */
  constructor({ url, token = "", login = "", password = "" }) {
    if (!url) throw new TypeError("no address of a service: `garret env` prints GARRET_URL and GARRET_TOKEN");
    this.url = url.replace(/\/+$/, "");
    const basic = () => btoa(String.fromCharCode(...new TextEncoder().encode(`${login || "admin"}:${password}`)));
    this.authorization = password ? `Basic ${basic()}` : `Bearer ${token}`;
  }

  /** Make pictures: an array of `{blob, seed, infotext, mediaType, number}`. Aborting `signal` cancels the job. */
  async generate(prompt, fields = {}, { signal, onProgress } = {}) {
    const job = await this.submit(prompt, fields, { signal });
    const cancel = () => this.cancel(job.id).catch(() => {});
    if (signal?.aborted) cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      const done = await this.wait(job.id, { signal, onProgress });
      return await Promise.all(done.pictures.map((picture) => this.picture(picture, { signal })));
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** Ask for pictures and return the job at once. A key makes it safe to ask again when an answer is lost. */
  async submit(prompt, fields = {}, { signal, key = newKey() } = {}) {
    return await this.json("POST", "/v1/jobs", { body: { prompt, ...fields }, signal, headers: { "Idempotency-Key": key } });
  }

  /** Wait for the end of a job, hearing of it by its events; throws JobFailed if it made not all its pictures. */
  async wait(id, { signal, onProgress } = {}) {
    for await (const job of this.events(id, { signal })) {
      onProgress?.(job);
      if (job.ended_at === null) continue;
      if (job.state !== "Success") throw new JobFailed(job);
      return job;
    }
  }

  /** Each change of a job as it comes, the last one when it is over; a line that breaks is taken up again. */
  async *events(id, { signal } = {}) {
    const path = `/v1/jobs/${encodeURIComponent(id)}/events`;
    for (let tries = 0; ; tries++) {
      try {
        const reply = await this.ask("GET", path, { signal, headers: { Accept: "text/event-stream" } });
        for await (const event of eventsOf(reply.body)) {
          tries = 0;
          yield JSON.parse(event.data);
          if (event.name === "end") return;
        }
      } catch (error) {
        if (signal?.aborted || error instanceof GarretError || tries > 8) throw error;
      }
      await pause(Math.min(250 * 2 ** tries, 5000), signal);
    }
  }

  /** Fetch one of a job's pictures. */
  async picture(picture, { signal } = {}) {
    const reply = await this.ask("GET", picture.url, { signal });
    const { number, seed, infotext, media_type: mediaType } = picture;
    return { number, seed, infotext, mediaType, blob: await reply.blob() };
  }

  /** Stop a job at its next step. */
  async cancel(id) {
    return (await this.json("DELETE", `/v1/jobs/${encodeURIComponent(id)}`)).cancelled;
  }

  /** The caller's finished pictures, newest first. */
  async images({ limit = 100, before = "", q = "" } = {}) {
    return (await this.json("GET", `/v1/images?${new URLSearchParams({ limit, before, q })}`)).data;
  }

  /** The checkpoints, or the models of another type. */
  async models(type = "checkpoint") {
    return (await this.json("GET", `/v1/models?${new URLSearchParams({ type })}`)).data;
  }

  async samplers() {
    return (await this.json("GET", "/v1/samplers")).data;
  }

  /** Ask, and read the answer as JSON. */
  async json(method, path, options = {}) {
    return await (await this.ask(method, path, options)).json();
  }

  /** Ask until there is an answer: a full queue (429) and a service that begins anew (503) say when to come again. */
  async ask(method, path, { body, headers = {}, signal } = {}) {
    const until = Date.now() + PATIENCE_MS;
    const repeatable = method !== "POST" || "Idempotency-Key" in headers;
    const said = { Accept: "application/json", Authorization: this.authorization, ...headers };
    if (body !== undefined) said["Content-Type"] = "application/json";
    for (let tries = 1; ; tries++) {
      let trouble;
      let wait = 250 * 2 ** tries;
      try {
        const sent = { method, headers: said, body: body && JSON.stringify(body), signal, redirect: "error" };
        const reply = await fetch(this.url + path, sent);
        if (reply.ok) return reply;
        const retryAfter = Number(reply.headers.get("Retry-After")) || undefined;
        trouble = new GarretError(reply.status, await reply.json().catch(() => ({})), retryAfter);
        if (![429, 503].includes(reply.status)) throw trouble;
        wait = retryAfter ? retryAfter * 1000 : wait;
      } catch (error) {
        // fetch says TypeError when a line breaks: whether the request arrived, nobody knows.
        if (!(error instanceof TypeError) || !repeatable || tries > 4) throw error;
        trouble = error;
      }
      if (Date.now() + wait > until) throw trouble;
      await pause(wait, signal);
    }
  }
}

/** Server-sent events of a body, as they come: https://html.spec.whatwg.org/multipage/server-sent-events.html */
async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let name = "message";
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split(/\r?\n/);
      rest = lines.pop();
      for (const line of lines) {
        if (line === "") {
          if (data.length) yield { name, data: data.join("\n") };
          [name, data] = ["message", []];
        } else if (line.startsWith("event:")) name = line.slice(6).trim();
        else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Unlike any other; not a secret. crypto.randomUUID is not everywhere: Node.js 18, pages without TLS. */
function newKey() {
  return Array.from({ length: 4 }, () => Math.random().toString(36).slice(2, 12)).join("-");
}
