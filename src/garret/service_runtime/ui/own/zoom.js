// A picture in a stage that shows it whole, nearer, or as large as it is: by wheel, two fingers, dragging and keys.

const MOST = 16;
const SWIPE_PX = 60;

export class Zoom {
  // `swiped(±1)` when a whole picture is wiped aside; `changed(percent)` when it has another size.
  constructor(stage, picture, { swiped, changed }) {
    Object.assign(this, { stage, picture, swiped, changed, nearer: 1, x: 0, y: 0, fingers: new Map() });
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("dblclick", (event) => this.toggle(event));
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => this.#up(event));
    picture.addEventListener("load", () => this.#draw());
  }

  // How many pixels of the screen one of the whole picture's has.
  get whole() {
    const { naturalWidth: width, naturalHeight: height } = this.picture;
    return width ? Math.min(this.stage.clientWidth / width, this.stage.clientHeight / height) : 1;
  }

  fit() {
    Object.assign(this, { nearer: 1, x: 0, y: 0 });
    this.#draw();
  }

  // Between whole, and a pixel for a pixel (or twice as near, where that is smaller than whole).
  toggle(at = null) {
    if (this.nearer !== 1) this.fit();
    else this.by(this.whole < 0.95 ? 1 / this.whole : 2, at);
  }

  // Come nearer by a factor, keeping the place under `at` where it is.
  by(factor, at = null) {
    const box = this.stage.getBoundingClientRect();
    const [left, top] = at ? [at.clientX - box.x - box.width / 2, at.clientY - box.y - box.height / 2] : [0, 0];
    const nearer = Math.min(MOST, Math.max(1, this.nearer * factor));
    const real = nearer / this.nearer;
    Object.assign(this, { nearer, x: left - (left - this.x) * real, y: top - (top - this.y) * real });
    this.#draw();
  }

  #draw() {
    const reach = (this.nearer - 1) / 2;
    const [most, highest] = [this.stage.clientWidth * reach, this.stage.clientHeight * reach];
    this.x = Math.min(most, Math.max(-most, this.x));
    this.y = Math.min(highest, Math.max(-highest, this.y));
    this.picture.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.nearer})`;
    this.stage.classList.toggle("garret-near", this.nearer > 1);
    this.changed(Math.round(100 * this.whole * this.nearer));
  }

  #wheel(event) {
    event.preventDefault();
    this.by(Math.exp(-event.deltaY / (event.deltaMode ? 10 : 300)), event);
  }

  #down(event) {
    if (event.button !== 0) return;
    this.stage.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, event);
    if (this.fingers.size === 1) this.from = event;
  }

  #move(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    if (this.fingers.size === 2) this.#pinch(before, event);
    else if (this.nearer > 1) {
      this.x += event.clientX - before.clientX;
      this.y += event.clientY - before.clientY;
      this.#draw();
    }
    this.fingers.set(event.pointerId, event);
  }

  #pinch(before, now) {
    this.from = null;
    const other = [...this.fingers.values()].find((one) => one.pointerId !== now.pointerId);
    const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
    const middle = { clientX: (now.clientX + other.clientX) / 2, clientY: (now.clientY + other.clientY) / 2 };
    this.by(apart(now) / apart(before), middle);
  }

  #up(event) {
    if (!this.fingers.delete(event.pointerId) || event.type === "pointercancel") return;
    const [from, across] = [this.from, this.from ? event.clientX - this.from.clientX : 0];
    if (this.fingers.size || this.nearer > 1 || !from) return;
    const down = Math.abs(event.clientY - from.clientY);
    if (event.pointerType !== "mouse" && Math.abs(across) > SWIPE_PX && Math.abs(across) > 2 * down) this.swiped(across < 0 ? 1 : -1);
  }
}
