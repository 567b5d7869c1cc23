// What was removed, and can be had back for two weeks.

import { call } from "./api.js";
import { confirmed } from "./dialog.js";
import { fill, make } from "./element.js";
import { whyNot } from "./model_failures.js";
import { store } from "./model_store.js";
import { bytes, moment, say } from "./words.js";

class Bin {
  #text = "";

  // `tell(text, bad)` says what became of something.
  constructor(tell) {
    this.tell = tell;
    this.title = make("summary", {});
    this.list = make("ul", { class: "garret-rows" });
    this.element = make("details", { class: "garret-fold garret-models-bin", hidden: true }, this.title,
      make("p", { class: "garret-dim" }, say("models.bin_words")), this.list);
  }

  async refresh() {
    try {
      const { data } = await call("/v1/bin");
      const text = JSON.stringify(data);
      if (text === this.#text) return;
      this.#text = text;
      this.element.hidden = !data.length;
      this.title.textContent = say("models.bin", { count: data.length });
      fill(this.list, data.map((one) => this.#row(one)));
    } catch {
      // The list of models, asked for at the same time, says why.
    }
  }

  async restore(one) {
    await this.#do(`/v1/bin/${one.id}/restore`, "POST", say("models.restored", { name: one.name }));
  }

  async #forget(one) {
    if (!(await confirmed(say("models.forget_question", { name: one.name }), say("models.forget")))) return;
    await this.#do(`/v1/bin/${one.id}`, "DELETE", say("models.forgotten", { name: one.name }));
  }

  async #do(path, method, done) {
    try {
      await call(path, { method });
      await Promise.all([store.changed(), this.refresh()]);
      this.tell(done);
    } catch (fault) {
      this.tell(whyNot(fault), true);
    }
  }

  #row(one) {
    const until = moment(Date.parse(one.kept_until) / 1000);
    return make("li", { class: "garret-row" },
      make("span", { class: "garret-row-words" },
        make("strong", { translate: "no" }, one.name),
        make("span", { class: "garret-dim" }, `${say(`models.type.${one.type}`)} · ${bytes(one.size)} · ${say("models.kept_until", { until })}`)),
      make("button", { type: "button", class: "garret-button garret-small garret-restore", "aria-label": say("models.restore_of", { name: one.name }),
        onclick: () => this.restore(one) }, say("models.restore")),
      make("button", { type: "button", class: "garret-button garret-small garret-grave garret-forget", "aria-label": say("models.forget_of", { name: one.name }),
        onclick: () => this.#forget(one) }, say("models.forget")));
  }
}

export function bin(tell) {
  return new Bin(tell);
}
