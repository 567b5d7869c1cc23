// What paints on a mask: a mouse, a pen, fingers, or keys.

import { say } from "./words.js";

const STEP = 1 / 64; // of the picture's longer side, for an arrow key; with Shift, four times that

// `painter` has view, layer, size, erase; told(words), resized(factor), tool(erase), undo(), redo(), began(), ended().
export class MaskHand {
  #painter;
  #touches = new Map();
  #stroke = null; // the pointer that paints
  #pan = null;
  #key = null; // where the keyboard's brush is, and whether it is down

  constructor(painter) {
    this.#painter = painter;
    const { canvas } = painter.view;
    const on = (name, act) => canvas.addEventListener(name, act);
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) on(name, (event) => this.#up(event));
    on("pointerleave", () => this.#cursor(null));
    on("wheel", (event) => this.#wheel(event));
    on("contextmenu", (event) => event.preventDefault());
    on("keydown", (event) => this.#keyDown(event));
    on("keyup", (event) => event.key === " " && this.#lift());
    on("blur", () => this.#lift());
  }

  #down(event) {
    const { view } = this.#painter;
    event.preventDefault();
    view.canvas.focus({ preventScroll: true });
    view.canvas.setPointerCapture(event.pointerId);
    this.#key = null;
    if (event.pointerType === "touch") {
      this.#touches.set(event.pointerId, event);
      if (this.#touches.size > 1) return this.#pinch();
    }
    if (event.button === 1) this.#pan = event;
    else if (!this.#stroke) this.#begin(event, view.at(event), event.button === 2);
  }

  #begin(event, [x, y], other) {
    const { layer, size, erase } = this.#painter;
    this.#stroke = event.pointerId;
    layer.begin(x, y, size, other ? !erase : erase);
    this.#painter.began();
  }

  // A second finger: what the first one began was no stroke.
  #pinch() {
    if (this.#stroke === null) return;
    this.#stroke = null;
    this.#painter.layer.drop();
    this.#painter.ended();
  }

  #move(event) {
    const { view, layer } = this.#painter;
    if (this.#touches.has(event.pointerId) && this.#touches.size > 1) return this.#pinched(event);
    if (this.#pan) {
      view.pan(event.clientX - this.#pan.clientX, event.clientY - this.#pan.clientY);
      this.#pan = event;
      return;
    }
    if (this.#stroke === event.pointerId) {
      const steps = event.getCoalescedEvents?.() || [];
      for (const step of steps.length ? steps : [event]) layer.move(...view.at(step));
    }
    if (event.pointerType !== "touch") this.#cursor(view.at(event));
    view.draw();
  }

  // Two fingers: how far they are apart, and where their middle is, before and now.
  #pinched(event) {
    const { view } = this.#painter;
    const before = spread([...this.#touches.values()]);
    this.#touches.set(event.pointerId, event);
    const now = spread([...this.#touches.values()]);
    view.pan(now.clientX - before.clientX, now.clientY - before.clientY);
    view.nearer(now.apart / before.apart, now);
  }

  #up(event) {
    this.#touches.delete(event.pointerId);
    this.#pan = null;
    if (this.#stroke !== event.pointerId) return;
    this.#stroke = null;
    this.#painter.ended();
  }

  #cursor(place) {
    const { view, size } = this.#painter;
    if (this.#key && !place) return;
    view.cursor = place && { x: place[0], y: place[1], size };
    view.draw();
  }

  // A page is scrolled over the picture until somebody works in it.
  #wheel(event) {
    const { view } = this.#painter;
    if (!event.ctrlKey && document.activeElement !== view.canvas) return;
    if (view.zoom === 1 && event.deltaY > 0 && !event.ctrlKey) return;
    event.preventDefault();
    view.nearer(Math.exp(-event.deltaY / 400), event);
  }

  #keyDown(event) {
    const painter = this.#painter;
    if ((event.ctrlKey || event.metaKey) && !event.altKey) {
      const key = event.key.toLowerCase();
      if (key === "z" && !event.shiftKey) painter.undo();
      else if (key === "y" || key === "z") painter.redo();
      else return;
      return event.preventDefault();
    }
    if (event.altKey) return;
    const act = this.#keys(event)[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  #keys({ shiftKey, repeat }) {
    const painter = this.#painter;
    const step = Math.max(1, Math.max(painter.layer.width, painter.layer.height) * STEP) * (shiftKey ? 4 : 1);
    return {
      ArrowLeft: () => this.#go(-step, 0),
      ArrowRight: () => this.#go(step, 0),
      ArrowUp: () => this.#go(0, -step),
      ArrowDown: () => this.#go(0, step),
      " ": () => repeat || this.#press(),
      Enter: () => (this.#key?.down ? this.#lift() : this.#press(true)),
      Escape: () => this.#lift(),
      "[": () => painter.resized(1 / 1.25),
      "]": () => painter.resized(1.25),
      b: () => painter.tool(false),
      e: () => painter.tool(true),
      "+": () => painter.view.nearer(1.25),
      "=": () => painter.view.nearer(1.25),
      "-": () => painter.view.nearer(0.8),
      0: () => painter.view.fit(),
    };
  }

  #place() {
    const { layer } = this.#painter;
    this.#key ||= { x: layer.width / 2, y: layer.height / 2, down: false };
    return this.#key;
  }

  #go(x, y) {
    const { layer, view } = this.#painter;
    const key = this.#place();
    key.x = Math.min(layer.width, Math.max(0, key.x + x));
    key.y = Math.min(layer.height, Math.max(0, key.y + y));
    if (key.down) layer.move(key.x, key.y);
    view.follow(key.x, key.y);
    this.#cursor([key.x, key.y]);
    this.#painter.told(say("mask.at", this.#shares(key)));
  }

  #shares({ x, y }) {
    const { layer } = this.#painter;
    return { across: Math.round((100 * x) / layer.width), down: Math.round((100 * y) / layer.height) };
  }

  #press(stays = false) {
    const key = this.#place();
    if (key.down) return;
    const { layer, size, erase } = this.#painter;
    layer.begin(key.x, key.y, size, erase);
    this.#painter.began();
    Object.assign(key, { down: true });
    this.#cursor([key.x, key.y]);
    this.#painter.told(say(stays ? "mask.pen_down" : "mask.painted", this.#shares(key)));
  }

  #lift() {
    if (!this.#key?.down) return;
    this.#key.down = false;
    this.#painter.ended();
  }
}

function spread([one, other]) {
  return {
    apart: Math.max(1, Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY)),
    clientX: (one.clientX + other.clientX) / 2,
    clientY: (one.clientY + other.clientY) / 2,
  };
}
