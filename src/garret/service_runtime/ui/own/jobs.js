// Jobs that wait or run, and what came of them: <garret-jobs>, as many times as there are forms, all of one store.

import { define, Element, fill, make } from "./element.js";
import { JobCard } from "./job_card.js";
import { isOpen, store } from "./job_store.js";
import { choices } from "./notify.js";
import { say } from "./words.js";
import "./title.js";

const FRESH = 3; // so many that ended are shown at once; a form below them is to be reached

class Jobs extends Element {
  #cards = new Map();
  #list = make("ul", { class: "garret-job-list" });
  #older = make("ul", { class: "garret-job-list" });
  #summary = make("summary", {});
  #earlier = make("details", { class: "garret-jobs-earlier", hidden: true }, this.#summary, this.#older);
  #empty = make("p", { class: "garret-job-empty" }, say("jobs.none"));
  #count = make("span", { class: "garret-job-count" });
  #clear = make("button", { type: "button", class: "garret-button garret-jobs-clear", onclick: () => this.#hideAll() }, say("jobs.clear"));
  #update = () => this.draw();
  #opened = new ResizeObserver(this.#update); // its tab is shown

  show() {
    if (!this.contains(this.#list)) {
      const head = make("div", { class: "garret-jobs-head" }, make("h3", {}, say("jobs.title")), this.#count, make("span", { class: "garret-space" }), this.#clear);
      const ways = make("details", { class: "garret-jobs-earlier garret-jobs-ways" }, make("summary", {}, say("jobs.ways")), choices());
      fill(this, head, this.#empty, this.#list, this.#earlier, ways);
    }
    store.addEventListener("change", this.#update);
    this.#opened.observe(this);
    this.draw();
  }

  disconnectedCallback() {
    store.removeEventListener("change", this.#update);
    this.#opened.disconnect();
  }

  // All cards in their order; those that are there already stay the elements that they are.
  draw() {
    if (this.offsetParent === null) return; // in a tab that is not shown
    const jobs = store.jobs();
    const ids = new Set(jobs.map((job) => job.id));
    for (const [id, card] of this.#cards) if (!ids.has(id)) { card.node.remove(); this.#cards.delete(id); }
    const open = jobs.filter(isOpen).length;
    this.#place(this.#list, jobs.slice(0, open + FRESH));
    this.#place(this.#older, jobs.slice(open + FRESH));
    const earlier = Math.max(0, jobs.length - open - FRESH);
    this.#earlier.hidden = !earlier;
    const told = say("jobs.earlier", { count: earlier });
    if (this.#summary.textContent !== told) this.#summary.textContent = told;
    this.#empty.hidden = jobs.length > 0;
    this.#count.textContent = open ? say("jobs.count", { count: open }) : "";
    this.#clear.hidden = open === jobs.length;
  }

  #place(list, jobs) {
    jobs.forEach((job, at) => {
      let card = this.#cards.get(job.id);
      if (!card) this.#cards.set(job.id, (card = new JobCard(job)));
      card.show(job);
      if (list.children[at] !== card.node) list.insertBefore(card.node, list.children[at] ?? null);
    });
  }

  #hideAll() {
    store.hide(...store.jobs().filter((job) => !isOpen(job)).map((job) => job.id));
  }
}

define("jobs", Jobs);
