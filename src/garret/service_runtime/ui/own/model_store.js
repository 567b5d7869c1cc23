// The models of this node as the page knows them: one list for all who show it.

import { call } from "./api.js";

class ModelStore extends EventTarget {
  models = null; // not known yet
  fault = null;
  #asking = null;
  #text = "";

  // Ask for the list anew; "change" is told when it is another one.
  refresh() {
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    return this.#asking;
  }

  // A change was made after whatever is being asked for now.
  async changed() {
    await this.#asking;
    await this.refresh();
  }

  async #ask() {
    try {
      const { data } = await call("/v1/models?type=all");
      this.fault = null;
      const text = JSON.stringify(data);
      if (text === this.#text) return;
      this.#text = text;
      const first = this.models === null;
      this.models = data;
      // Whoever lets people choose a model listens to this: form.js its pickers.
      if (!first) document.dispatchEvent(new CustomEvent("garret-models"));
    } catch (fault) {
      this.fault = fault;
    }
    this.dispatchEvent(new Event("change"));
  }
}

export const store = new ModelStore();

// Where the API has a model: names may be the same in two folders, paths are not.
export function address(model) {
  return `/v1/models/${model.type}/${model.path.split("/").map(encodeURIComponent).join("/")}`;
}

// Somebody else changed one: a picture of the gallery became a preview.
document.addEventListener("garret-models", () => store.models && store.refresh());
