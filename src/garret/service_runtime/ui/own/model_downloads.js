// The node's downloads, those of other tabs and of the command line among them.

import { call } from "./api.js";
import { ComingRow } from "./coming_row.js";
import { make } from "./element.js";
import { typeInstead, why, whyNot } from "./model_failures.js";
import { store } from "./model_store.js";
import { typeName } from "./model_words.js";
import { bytes, say } from "./words.js";

const SHOWN = 20;
const ENDED = ["Success", "Failed", "Cancelled"];
const RECENT_MS = 24 * 3600 * 1000;
const HIDDEN = "garret-downloads-hidden";
const MOST_HIDDEN = 200;

export class Downloads {
  #rows = new Map();
  #status = new Map();
  #asked = new Map(); // what this page asked for, by id: what may be asked again with another type
  list = make("ul", { class: "garret-rows garret-downloads", "aria-label": say("models.downloads") });
  running = 0;
  hurry = () => this.refresh(); // looks now, and often from now on

  constructor(tell) {
    this.tell = tell;
  }

  // Begin one; `byItself` lets the file's own header say what type it is of.
  async begin(body, byItself = false) {
    const begun = await call("/v1/models", { method: "POST", body });
    this.#asked.set(begun.id, { body, byItself });
    this.running += 1;
    await this.hurry();
  }

  async refresh() {
    let found;
    try {
      found = (await call(`/v1/downloads?limit=${SHOWN}`)).data;
    } catch {
      return; // the list of models, asked for at the same time, says why
    }
    const hidden = this.#hidden();
    const shown = found.filter((one) => !hidden.includes(one.id) && (!ENDED.includes(one.status) || this.#isRecent(one)));
    this.running = shown.filter((one) => !ENDED.includes(one.status)).length;
    const news = shown.filter((one) => this.#status.has(one.id) && this.#status.get(one.id) !== one.status && ENDED.includes(one.status));
    for (const one of shown) this.#draw(one);
    const ids = new Set(shown.map((one) => one.id));
    for (const [id, row] of this.#rows) if (!ids.has(id)) (row.node.remove(), this.#rows.delete(id));
    const nodes = shown.map((one) => this.#rows.get(one.id).node);
    if (nodes.some((node, at) => node !== this.list.children[at])) this.list.replaceChildren(...nodes);
    this.list.hidden = !nodes.length;
    for (const one of news) await this.#ended(one);
  }

  #isRecent(one) {
    return one.status !== "Cancelled" && Date.now() - Date.parse(one.ended_at || one.created_at) < RECENT_MS;
  }

  #draw(one) {
    const { type = "", name = "", source = "" } = one.subject || {};
    const title = one.output?.name || name || source.split("/").at(-1) || say("models.download");
    if (!this.#rows.has(one.id)) this.#rows.set(one.id, new ComingRow(title, [type && typeName(type), source].filter(Boolean).join(" · ")));
    const row = this.#rows.get(one.id);
    this.#status.set(one.id, one.status);
    if (!ENDED.includes(one.status)) {
      const { done, total } = one.progress;
      const said = done ? row.at(done, total) : (row.at(0, null), say("models.looking_up"));
      return row.says(said, { cancel: [say("coming.cancel"), () => this.#cancel(one)] });
    }
    row.over();
    const hide = [say("coming.hide"), () => this.#hide(one.id)];
    if (one.status === "Success") return row.says(say("models.came", { size: bytes(one.output.size || 0) }), { hide });
    const again = this.#again(one);
    return row.says(why(one.error?.message || ""), { ...(again ? { again } : {}), hide }, true);
  }

  // A download that failed may be tried again: as the type that it turned out to be of, or just so.
  #again(one) {
    const instead = typeInstead(one.error || {});
    const { source = "", kind, ...others } = one.subject || {};
    const known = this.#asked.get(one.id)?.body;
    if (!known && (!source || kind === "preview")) return null;
    const body = known || { ...others, ...(/^https?:/.test(source) ? { url: source } : { from: source }) };
    if (!body.name) delete body.name;
    const words = instead ? say("models.as_type", { type: typeName(instead) }) : say("models.again");
    return [words, async () => {
      this.#hide(one.id);
      await this.begin({ ...body, ...(instead ? { type: instead } : {}) }).catch((fault) => this.tell(whyNot(fault), true));
    }];
  }

  async #ended(one) {
    if (one.status === "Success") await store.changed();
    const asked = this.#asked.get(one.id);
    const instead = one.status === "Failed" && asked?.byItself ? typeInstead(one.error || {}) : "";
    if (!instead) return;
    this.#hide(one.id);
    await this.begin({ ...asked.body, type: instead }).catch((fault) => this.tell(whyNot(fault), true));
  }

  async #cancel(one) {
    await call(`/v1/downloads/${one.id}`, { method: "DELETE" }).catch((fault) => this.tell(whyNot(fault), true));
    await this.refresh();
  }

  #hidden() {
    try {
      return JSON.parse(localStorage.getItem(HIDDEN)) || [];
    } catch {
      return [];
    }
  }

  #hide(id) {
    localStorage.setItem(HIDDEN, JSON.stringify([id, ...this.#hidden()].slice(0, MOST_HIDDEN)));
    this.#rows.get(id)?.node.remove();
    this.#rows.delete(id);
  }
}
