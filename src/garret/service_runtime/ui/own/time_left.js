// About how long a job still takes: of one that waits what the service has learned, of one at work its own speed.

const SETTLED = 0.03; // so much must be done before its speed says anything
const SMOOTH = 0.3;

export class TimeLeft {
  #began = null;
  #said = null;

  // Return seconds, or null as long as nobody can know.
  tell({ share, stage }, position, expected) {
    if (position !== 0 || stage === "waiting") return expected;
    const now = performance.now() / 1000;
    // Until its first step a worker may be reading a model, which says nothing of the steps.
    if (!share || !this.#began || share < this.#began.share) {
      this.#began = share ? { at: now, share } : null;
      return (this.#said = expected);
    }
    const done = share - this.#began.share;
    if (done < SETTLED) return this.#said;
    const left = ((now - this.#began.at) / done) * (1 - share);
    this.#said = this.#said === null ? left : (1 - SMOOTH) * this.#said + SMOOTH * left;
    return this.#said;
  }
}
