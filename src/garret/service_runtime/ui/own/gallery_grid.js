// The pictures as cards in rows. Thousands may be there: only rows near the window are in the page at all, and the rest is
// room above and below them, whose height is known because all cards have the same.

import { make } from "./element.js";
import { openPicture, pictureCard } from "./picture.js";
import { askAway } from "./picture_actions.js";

const NEAR_PX = 1200;
const HEIGHT = 6 / 5; // of a card, by its width: gallery.css
const UNSEEN = 60; // so many are drawn while the gallery is not shown and has no width

export class Grid {
  // `picked(image, event)` decides what a press on a card means: true, and the card does not open. `dressed(card, image)`
  // is called with each card that comes into the page.
  constructor(pictures, { label, picked, dressed }) {
    Object.assign(this, { pictures, picked, dressed, places: new Map(), current: null, frame: 0 });
    this.list = make("ul", { class: "garret-grid", role: "list", "aria-label": label });
    this.list.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("focusin", (event) => this.#stopAt(event.target.closest("li").dataset.id));
  }

  // Draw what is near the window whenever that is something else, until the signal.
  follow(signal) {
    const soon = () => {
      this.frame ||= requestAnimationFrame(() => {
        this.frame = 0;
        this.#fill();
      });
    };
    for (const name of ["scroll", "resize"]) window.addEventListener(name, soon, { signal, passive: true });
  }

  // Bring the rows to what the list says; what is looked at stays where it is.
  draw() {
    const anchor = this.#anchor();
    const lost = this.list.contains(document.activeElement) ? this.#at(this.current) : -1;
    this.order = new Map(this.pictures.list.map((image, at) => [image.id, at]));
    if (anchor) this.#hold(anchor);
    this.#fill();
    if (lost >= 0 && !this.order.has(this.current)) this.#focus(Math.min(lost, this.order.size - 1));
  }

  // The card of a picture, or null when it is far from the window.
  card(id) {
    return this.places.get(id)?.firstElementChild ?? null;
  }

  #at(id) {
    return this.order?.get(id) ?? -1;
  }

  // The rows as they are now: how many cards each has, and how high it is with the gap below it.
  #rows() {
    const style = getComputedStyle(this.list);
    const widths = style.gridTemplateColumns.split(" ");
    const width = Number.parseFloat(widths[0]);
    return width ? { columns: widths.length, height: width * HEIGHT + Number.parseFloat(style.rowGap) } : null;
  }

  #fill() {
    const [rows, { list }] = [this.#rows(), this.pictures];
    let [from, to, above, below] = [0, UNSEEN, 0, 0];
    if (rows) {
      const { top } = this.list.getBoundingClientRect();
      const count = Math.ceil(list.length / rows.columns);
      const first = Math.min(count, Math.max(0, Math.floor((-top - NEAR_PX) / rows.height)));
      const last = Math.min(count, Math.max(first, Math.ceil((innerHeight - top + NEAR_PX) / rows.height)));
      [from, to] = [first * rows.columns, last * rows.columns];
      [above, below] = [first * rows.height, (count - last) * rows.height];
    }
    this.list.style.padding = `${above}px 0 ${below}px`;
    this.#put(list.slice(from, to), from);
  }

  // Have just these cards in the page, in this order; `from` is where they begin.
  #put(images, from) {
    const wanted = new Set(images.map((image) => image.id));
    for (const [id, item] of this.places) {
      if (wanted.has(id)) continue;
      item.remove();
      this.places.delete(id);
    }
    let next = this.list.firstElementChild;
    for (const [at, image] of images.entries()) {
      const item = this.places.get(image.id) || this.#place(image);
      if (item === next) next = next.nextElementSibling;
      else this.list.insertBefore(item, next);
      item.setAttribute("aria-posinset", from + at + 1);
      item.setAttribute("aria-setsize", this.pictures.whole ? this.pictures.list.length : -1);
    }
    if (images.length && !this.places.has(this.current)) this.#stopAt(images[0].id);
  }

  #place(image) {
    const card = pictureCard(image, {
      chosen: (event) => {
        if (!this.picked(image, event)) openPicture(image, this.pictures.list, { more: () => this.pictures.more() });
      },
    });
    card.tabIndex = image.id === this.current ? 0 : -1;
    this.dressed(card, image);
    const item = make("li", { "data-id": image.id }, card);
    this.places.set(image.id, item);
    return item;
  }

  // The first card in sight, when there are others above the window, and the row it is in.
  #anchor() {
    const rows = this.#rows();
    if (!rows || !this.order || this.list.getBoundingClientRect().top >= 0) return null;
    for (const item of this.list.children) {
      const { id } = item.dataset;
      if (item.getBoundingClientRect().bottom > 0) return { id, row: Math.floor(this.#at(id) / rows.columns), rows };
    }
    return null;
  }

  #hold({ id, row, rows }) {
    const at = this.#at(id);
    const moved = at < 0 ? 0 : Math.floor(at / rows.columns) - row;
    if (!moved) return;
    // Room first: a page that is too short cannot be scrolled so far.
    this.list.style.paddingBottom = `${this.list.clientHeight + Math.abs(moved) * rows.height}px`;
    window.scrollBy({ top: moved * rows.height, behavior: "instant" });
  }

  // Tab stops at one card; the arrow keys go on from there.
  #stopAt(id) {
    const before = this.card(this.current);
    if (before) before.tabIndex = -1;
    this.current = id;
    const card = this.card(id);
    if (card) card.tabIndex = 0;
  }

  #focus(at) {
    const [image, rows] = [this.pictures.list[at], this.#rows()];
    if (!image) return;
    if (!this.places.has(image.id) && rows) {
      const top = this.list.getBoundingClientRect().top + Math.floor(at / rows.columns) * rows.height;
      window.scrollBy({ top: top - innerHeight / 3, behavior: "instant" });
      this.#fill();
    }
    this.#stopAt(image.id);
    this.card(image.id)?.focus();
  }

  #key(event) {
    const item = event.target.closest("li");
    if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
    const at = this.#at(item.dataset.id);
    const columns = this.#rows()?.columns ?? 1;
    const last = this.order.size - 1;
    const to = {
      ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - columns, ArrowDown: at + columns, Home: 0, End: last,
    }[event.key];
    if (event.key === "Delete") askAway({ id: item.dataset.id }, () => {});
    else if (to === undefined) return;
    else if (to >= 0 && to <= last) this.#focus(to);
    event.preventDefault();
  }
}
