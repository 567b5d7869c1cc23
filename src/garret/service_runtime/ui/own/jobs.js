// Jobs that wait or run, and what came of them: <garret-jobs>, as many times as there are forms, all of one store.

import { define, Element, fill, make } from "./element.js";
import { JobCard } from "./job_card.js";
import { isOpen, store } from "./job_store.js";
import { say } from "./words.js";
import "./title.js";

class Jobs extends Element {
  #cards = new Map();
  #list = make("ul", { class: "garret-job-list" });
  #empty = make("p", { class: "garret-job-empty" }, say("jobs.none"));
  #count = make("span", { class: "garret-job-count" });
  #clear = make("button", { type: "button", class: "garret-jobs-clear", onclick: () => this.#hideAll() }, say("jobs.clear"));
  #update = () => this.draw();

  show() {
    if (!this.contains(this.#list)) {
      const head = make("div", { class: "garret-jobs-head" }, make("h3", {}, say("jobs.title")), this.#count, make("span", { class: "garret-space" }), this.#clear);
      fill(this, head, this.#empty, this.#list);
    }
    store.addEventListener("change", this.#update);
    this.draw();
  }

  disconnectedCallback() {
    store.removeEventListener("change", this.#update);
  }

  // All cards in their order; those that are there already stay the elements that they are.
  draw() {
    const jobs = store.jobs();
    const ids = new Set(jobs.map((job) => job.id));
    for (const [id, card] of this.#cards) if (!ids.has(id)) { card.node.remove(); this.#cards.delete(id); }
    jobs.forEach((job, at) => {
      let card = this.#cards.get(job.id);
      if (!card) this.#cards.set(job.id, (card = new JobCard(job)));
      card.show(job);
      if (this.#list.children[at] !== card.node) this.#list.insertBefore(card.node, this.#list.children[at] ?? null);
    });
    const open = jobs.filter(isOpen).length;
    this.#empty.hidden = jobs.length > 0;
    this.#count.textContent = open ? say("jobs.count", { count: open }) : "";
    this.#clear.hidden = open === jobs.length;
  }

  #hideAll() {
    store.hide(...store.jobs().filter((job) => !isOpen(job)).map((job) => job.id));
  }
}

define("jobs", Jobs);
