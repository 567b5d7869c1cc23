// The pictures as cards in rows. Thousands may be there: what is out of sight is neither drawn nor loaded.

import { make } from "./element.js";
import { openPicture, pictureCard } from "./picture.js";
import { askAway } from "./picture_actions.js";

export class Grid {
  // `picked(image, event)` decides what a press on a card means: true, and the card does not open.
  constructor(pictures, { label, picked }) {
    Object.assign(this, { pictures, picked, places: new Map(), current: null });
    this.list = make("ul", { class: "garret-grid", role: "list", "aria-label": label });
    this.list.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("focusin", (event) => this.#stopAt(event.target.closest("li")));
  }

  // Bring the rows to what the list says; what is looked at stays where it is.
  draw() {
    const anchor = this.#anchor();
    const wanted = new Set(this.pictures.list.map((image) => image.id));
    const lost = this.list.contains(document.activeElement) && document.activeElement.closest("li");
    const at = lost && !wanted.has(lost.dataset.id) ? [...this.list.children].indexOf(lost) : -1;
    for (const [id, item] of this.places) {
      if (wanted.has(id)) continue;
      item.remove();
      this.places.delete(id);
    }
    let next = this.list.firstElementChild;
    for (const image of this.pictures.list) {
      const item = this.places.get(image.id) || this.#place(image);
      if (item === next) next = next.nextElementSibling;
      else this.list.insertBefore(item, next);
    }
    if (at >= 0) this.#focus(Math.min(at, this.list.children.length - 1));
    if (!this.current?.isConnected) this.#stopAt(this.list.firstElementChild);
    this.#hold(anchor);
  }

  card(id) {
    return this.places.get(id)?.firstElementChild ?? null;
  }

  #place(image) {
    const card = pictureCard(image, {
      chosen: (event) => {
        if (!this.picked(image, event)) openPicture(image, this.pictures.list, { more: () => this.pictures.more() });
      },
    });
    card.tabIndex = -1;
    const item = make("li", { "data-id": image.id }, card);
    this.places.set(image.id, item);
    return item;
  }

  // The first card in sight and where it is, when there are others above the window.
  #anchor() {
    if (this.list.getBoundingClientRect().top >= 0) return null;
    for (const item of this.list.children) {
      const { top, bottom } = item.getBoundingClientRect();
      if (bottom > 0) return { item, top };
    }
    return null;
  }

  #hold(anchor) {
    if (!anchor?.item.isConnected) return;
    const moved = anchor.item.getBoundingClientRect().top - anchor.top;
    if (Math.abs(moved) >= 1) window.scrollBy({ top: moved, behavior: "instant" });
  }

  // Tab stops at one card; the arrow keys go on from there.
  #stopAt(item) {
    if (!item) return;
    if (this.current?.firstElementChild) this.current.firstElementChild.tabIndex = -1;
    this.current = item;
    item.firstElementChild.tabIndex = 0;
  }

  #focus(at) {
    const item = this.list.children[at];
    if (!item) return;
    this.#stopAt(item);
    item.firstElementChild.focus();
  }

  #columns() {
    return getComputedStyle(this.list).gridTemplateColumns.split(" ").length;
  }

  #key(event) {
    const item = event.target.closest("li");
    if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
    const items = [...this.list.children];
    const at = items.indexOf(item);
    const to = {
      ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - this.#columns(), ArrowDown: at + this.#columns(), Home: 0, End: items.length - 1,
    }[event.key];
    if (event.key === "Delete") askAway({ id: item.dataset.id }, () => {});
    else if (to === undefined) return;
    else if (to >= 0 && to < items.length) this.#focus(to);
    event.preventDefault();
  }
}
