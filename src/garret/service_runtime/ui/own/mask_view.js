// How a picture and its mask are seen: as large as there is room for, or nearer; and where the brush is.

const NEAREST = 16; // times as large as the whole picture fits
const TINTS = { pink: ["#ff2fb3"], green: ["#00e05a"], stripes: ["#ffffff", "#000000"] };
const COVER = 0.6;

export class MaskView {
  zoom = 1;
  tint = "pink";
  shown = true;
  cursor = null; // in the layer's pixels, with the brush's size
  #x = 0; // the layer's point in the middle of the view
  #y = 0;
  #tinted = document.createElement("canvas");
  #waiting = 0;

  constructor(canvas) {
    this.canvas = canvas;
  }

  // Show another picture, with its layer; the picture may be larger than that.
  show(picture, layer) {
    Object.assign(this, { picture, layer, cursor: null });
    this.fit();
  }

  fit() {
    this.zoom = 1;
    this.#x = this.layer.width / 2;
    this.#y = this.layer.height / 2;
    this.draw();
  }

  // Pixels of the view's canvas for each of the layer's.
  get scale() {
    return this.zoom * Math.min(this.canvas.width / this.layer.width, this.canvas.height / this.layer.height);
  }

  get #ratio() {
    return this.canvas.width / Math.max(1, this.canvas.clientWidth);
  }

  // The layer's point under a pointer.
  at({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.#ratio;
    return [
      this.#x + ((clientX - box.left - this.canvas.clientLeft) * ratio - this.canvas.width / 2) / this.scale,
      this.#y + ((clientY - box.top - this.canvas.clientTop) * ratio - this.canvas.height / 2) / this.scale,
    ];
  }

  // Go nearer by a factor, with the point under the pointer staying there; without one, the middle.
  nearer(factor, pointer = null) {
    const before = pointer && this.at(pointer);
    this.zoom = Math.min(NEAREST, Math.max(1, this.zoom * factor));
    if (before) {
      const [x, y] = this.at(pointer);
      this.#x += before[0] - x;
      this.#y += before[1] - y;
    }
    this.#settle();
  }

  // Move by so many of the window's pixels.
  pan(x, y) {
    this.#x -= (x * this.#ratio) / this.scale;
    this.#y -= (y * this.#ratio) / this.scale;
    this.#settle();
  }

  // Bring a point of the layer into sight.
  follow(x, y) {
    const [wide, high] = [this.canvas.width / this.scale / 2, this.canvas.height / this.scale / 2];
    this.#x = Math.min(Math.max(this.#x, x - wide * 0.9), x + wide * 0.9);
    this.#y = Math.min(Math.max(this.#y, y - high * 0.9), y + high * 0.9);
    this.#settle();
  }

  #settle() {
    const { width, height } = this.layer;
    const [wide, high] = [this.canvas.width / this.scale / 2, this.canvas.height / this.scale / 2];
    this.#x = wide * 2 >= width ? width / 2 : Math.min(width - wide, Math.max(wide, this.#x));
    this.#y = high * 2 >= height ? height / 2 : Math.min(height - high, Math.max(high, this.#y));
    this.draw();
  }

  // Take as many pixels as the window shows.
  resize() {
    const ratio = Math.min(2, devicePixelRatio);
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight].map((side) => Math.round(side * ratio));
    if (!width || !height || (width === this.canvas.width && height === this.canvas.height)) return;
    Object.assign(this.canvas, { width, height });
    if (this.layer) this.#settle();
  }

  draw() {
    this.#waiting ||= requestAnimationFrame(() => {
      this.#waiting = 0;
      if (this.layer) this.#paint();
    });
  }

  #paint() {
    const { canvas } = this;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.#placed(context, this.picture);
    if (this.shown) {
      context.globalAlpha = COVER;
      context.drawImage(this.#mask(), 0, 0);
      context.globalAlpha = 1;
    }
    if (this.cursor) this.#brush(context);
  }

  #placed(context, picture) {
    const { scale, canvas } = this;
    const { width, height } = this.layer;
    const [left, top] = [canvas.width / 2 - this.#x * scale, canvas.height / 2 - this.#y * scale];
    context.imageSmoothingEnabled = scale < 4;
    context.drawImage(picture, left, top, width * scale, height * scale);
  }

  #mask() {
    const { width, height } = this.canvas;
    if (this.#tinted.width !== width || this.#tinted.height !== height) Object.assign(this.#tinted, { width, height });
    const context = this.#tinted.getContext("2d");
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, width, height);
    this.#placed(context, this.layer.canvas);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = colour(context, TINTS[this.tint]);
    context.fillRect(0, 0, width, height);
    return this.#tinted;
  }

  // A ring that is seen on light and on dark.
  #brush(context) {
    const { scale, canvas } = this;
    const { x, y, size } = this.cursor;
    const [left, top] = [canvas.width / 2 + (x - this.#x) * scale, canvas.height / 2 + (y - this.#y) * scale];
    const radius = Math.max(3, (size * scale) / 2);
    for (const [style, width] of [["black", 4], ["white", 2]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.beginPath();
      context.arc(left, top, radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}

function colour(context, colours) {
  if (colours.length === 1) return colours[0];
  const tile = Object.assign(document.createElement("canvas"), { width: 16, height: 16 });
  const brush = tile.getContext("2d");
  colours.forEach((one, number) => {
    brush.fillStyle = one;
    brush.fillRect(0, number * 8, 16, 8);
  });
  return context.createPattern(tile, "repeat");
}
