// The SHA-256 of a file, however large, beside the page: {file} in; {done} from time to time, {sha256} or {failed} out.
// Browsers hash only what is in memory as a whole (crypto.subtle), and a checkpoint has seven gigabytes. FIPS 180-4.

"use strict";

const PIECE = 8 << 20;

const { K, H } = (() => {
  const primes = [];
  for (let number = 2; primes.length < 64; number += 1) if (primes.every((prime) => number % prime)) primes.push(number);
  const fraction = (value) => ((value - Math.floor(value)) * 4294967296) | 0;
  return { K: new Int32Array(primes.map((prime) => fraction(Math.cbrt(prime)))), H: new Int32Array(primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)))) };
})();

const w = new Int32Array(64);

function block(state, view, at) {
  for (let i = 0; i < 16; i += 1) w[i] = view.getInt32(at + 4 * i);
  for (let i = 16; i < 64; i += 1) {
    const x = w[i - 15];
    const y = w[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
  }
  let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
  for (let i = 0; i < 64; i += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d; state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

function blocks(state, bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at < bytes.byteLength; at += 64) block(state, view, at);
}

// The rest of the file with the mark of its end and its length in bits.
function padded(rest, size) {
  const end = new Uint8Array(Math.ceil((rest.length + 9) / 64) * 64);
  end.set(rest);
  end[rest.length] = 0x80;
  new DataView(end.buffer).setBigUint64(end.length - 8, BigInt(size) * 8n);
  return end;
}

async function sha256(file) {
  const state = H.slice();
  let rest = new Uint8Array(0);
  for (let at = 0; at < file.size; at += PIECE) {
    const piece = new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer());
    const whole = piece.length - (piece.length % 64);
    // Every piece but the last is a multiple of 64.
    blocks(state, piece.subarray(0, whole));
    rest = piece.slice(whole);
    postMessage({ done: at + piece.length });
  }
  blocks(state, padded(rest, file.size));
  return [...state].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

onmessage = async ({ data }) => {
  try {
    postMessage({ sha256: await sha256(data.file) });
  } catch (error) {
    postMessage({ failed: String(error) });
  }
};
