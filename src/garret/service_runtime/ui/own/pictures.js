// One's own finished pictures, newest first, as far as they are loaded; or those that have all words of a search.

import { call } from "./api.js";
import { events as told } from "./picture.js";

const PAGE = 60;
const MOST_PAGES = 5; // are asked for at a time before all begins anew

class Pictures extends EventTarget {
  list = [];
  query = "";
  whole = false; // whether there is nothing older
  loaded = false; // whether anything was answered to this search
  #asking = null;
  #fresh = null;

  constructor() {
    super();
    told.addEventListener("gone", ({ detail }) => this.#without(detail));
  }

  // Look for other words; "" for all pictures.
  search(query) {
    this.#asking?.abort();
    this.#fresh?.abort();
    Object.assign(this, { query, list: [], whole: false, loaded: false });
    this.#change();
    return this.more();
  }

  // Load what is older; resolves to whether there was any. Throws Fault.
  async more() {
    if (this.whole || (this.#asking && !this.#asking.signal.aborted)) return false;
    const asking = (this.#asking = new AbortController());
    try {
      const { data, has_more } = await this.#page(asking);
      const known = new Set(this.list.map((one) => one.id));
      this.list.push(...data.filter((one) => !known.has(one.id)));
      Object.assign(this, { whole: !has_more, loaded: true });
      this.#change();
      return data.length > 0;
    } catch (fault) {
      if (fault.name === "AbortError") return false;
      throw fault;
    } finally {
      if (this.#asking === asking) this.#asking = null;
    }
  }

  // Put in what is new, and leave out what is not there any more of the newest. Throws Fault.
  async refresh() {
    if (!this.loaded) return this.more();
    this.#fresh?.abort();
    const { signal } = (this.#fresh = new AbortController());
    try {
      const [found, has_more] = await this.#newest(signal);
      const last = found.length ? this.list.findIndex((one) => one.id === found.at(-1).id) : -1;
      if (last < 0 || !has_more) Object.assign(this, { list: found, whole: !has_more });
      else this.list.splice(0, last + 1, ...found);
      this.#change();
      return true;
    } catch (fault) {
      if (fault.name === "AbortError") return false;
      throw fault;
    }
  }

  // Pages from the newest on, until they meet what is here.
  async #newest(signal) {
    const found = [];
    const known = new Set(this.list.map((one) => one.id));
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const { data, has_more } = await call(this.#address(found.at(-1)?.id), { signal });
      found.push(...data);
      if (!has_more || data.some((one) => known.has(one.id))) return [found, has_more];
    }
    return [found, true];
  }

  // The page after the last one. The service forgets the oldest first, so what it does not know has nothing older;
  // the one before it may.
  async #page({ signal }) {
    for (;;) {
      const last = this.list.at(-1);
      try {
        return await call(this.#address(last?.id), { signal });
      } catch (fault) {
        if (fault.field !== "before" || !last) throw fault;
        this.list.pop();
      }
    }
  }

  #address(before) {
    const asked = new URLSearchParams({ limit: String(PAGE) });
    if (before) asked.set("before", before);
    if (this.query) asked.set("q", this.query);
    return `/v1/images?${asked}`;
  }

  #without(id) {
    const at = this.list.findIndex((one) => one.id === id);
    if (at < 0) return;
    this.list.splice(at, 1);
    this.#change();
  }

  #change() {
    this.dispatchEvent(new Event("change"));
  }
}

export const pictures = new Pictures();
