// What is painted over a picture: white where it will be made anew. What was done is kept as a list, and done again from
// its beginning for an undo, which costs no memory for pictures of before.

const MOST_SIDE = 2048; // no picture is painted larger; a mask of another size covers its picture all the same
const MOST_STEPS = 100;

export class MaskLayer {
  #base;
  #done = [];
  #undone = [];
  #stroke = null;

  constructor(width, height) {
    const scale = Math.min(1, MOST_SIDE / Math.max(width, height));
    this.width = Math.max(1, Math.round(width * scale));
    this.height = Math.max(1, Math.round(height * scale));
    this.canvas = this.#canvas();
    this.#base = this.#canvas();
  }

  #canvas() {
    return Object.assign(document.createElement("canvas"), { width: this.width, height: this.height });
  }

  get undoable() {
    return this.#done.length > 0;
  }

  get redoable() {
    return this.#undone.length > 0;
  }

  // Begin a stroke; `erase` takes away instead.
  begin(x, y, size, erase) {
    this.#stroke = { points: [[x, y]], size, erase };
    this.#do(this.#stroke);
  }

  // Go on with the stroke.
  move(x, y) {
    const stroke = this.#stroke;
    if (!stroke || stroke !== this.#done.at(-1)) return; // taken back meanwhile
    stroke.points.push([x, y]);
    draw(this.canvas, { ...stroke, points: stroke.points.slice(-2) });
  }

  fill() {
    this.#do({ all: "source-over" });
  }

  clear() {
    this.#do({ all: "destination-out" });
  }

  invert() {
    this.#do({ all: "source-out" });
  }

  // Take a mask's picture, black and white, instead of what is there.
  take(picture) {
    this.#do({ picture: whiteness(picture, this.width, this.height) });
  }

  // A stroke that was the first half of another gesture was none.
  drop() {
    this.#done.pop();
    this.#again();
  }

  undo() {
    if (!this.undoable) return false;
    this.#undone.push(this.#done.pop());
    this.#again();
    return true;
  }

  redo() {
    if (!this.redoable) return false;
    const step = this.#undone.pop();
    this.#done.push(step);
    again(this.canvas, step);
    return true;
  }

  // The mask as a PNG, null when nothing of it is white.
  async png() {
    const whole = this.#canvas();
    const context = whole.getContext("2d", { willReadFrequently: true });
    context.fillRect(0, 0, this.width, this.height);
    context.drawImage(this.canvas, 0, 0);
    const { data } = context.getImageData(0, 0, this.width, this.height);
    let painted = false;
    for (let at = 0; at < data.length && !painted; at += 4) painted = data[at] > 127;
    return painted ? new Promise((resolve) => whole.toBlob(resolve, "image/png")) : null;
  }

  #do(step) {
    this.#undone = [];
    this.#done.push(step);
    if (this.#done.length > MOST_STEPS) again(this.#base, this.#done.shift());
    draw(this.canvas, step);
  }

  #again() {
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, this.width, this.height);
    context.drawImage(this.#base, 0, 0);
    for (const step of this.#done) again(this.canvas, step);
  }
}

// A stroke began as a dot.
function again(canvas, step) {
  if (step.points?.length > 1) draw(canvas, { ...step, points: step.points.slice(0, 1) });
  draw(canvas, step);
}

function draw(canvas, { all = "", picture = null, points = [], size = 0, erase = false }) {
  const context = canvas.getContext("2d");
  context.save();
  context.fillStyle = context.strokeStyle = "white";
  if (all) {
    context.globalCompositeOperation = all;
    context.fillRect(0, 0, canvas.width, canvas.height);
  } else if (picture) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(picture, 0, 0);
  } else {
    context.globalCompositeOperation = erase ? "destination-out" : "source-over";
    Object.assign(context, { lineWidth: size, lineCap: "round", lineJoin: "round" });
    // Piece by piece, as it was painted: done again it is the same to the bit.
    for (let at = points.length > 1 ? 1 : 0; at < points.length; at += 1) {
      const [from, to] = [points[Math.max(0, at - 1)], points[at]];
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(to[0] + (points.length === 1 ? 0.01 : 0), to[1]);
      context.stroke();
    }
  }
  context.restore();
}

// A picture's brightness as how much a white canvas covers; what is transparent counts as black, as in the service.
function whiteness(picture, width, height) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  const image = context.getImageData(0, 0, width, height);
  const { data } = image;
  for (let at = 0; at < data.length; at += 4) {
    data[at + 3] = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
    data[at] = data[at + 1] = data[at + 2] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
