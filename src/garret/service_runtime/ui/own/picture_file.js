// A file that somebody chose, dropped or pasted: looked at before it is sent, so that what is wrong is said at once.

import { bytes, number, say } from "./words.js";

// What the service reads as it is, by how files of it begin; another picture is brought to PNG here, where it can be.
const KINDS = { PNG: [0, [0x89, 0x50, 0x4e, 0x47]], JPEG: [0, [0xff, 0xd8, 0xff]], WebP: [8, [0x57, 0x45, 0x42, 0x50]] };

// What is wrong with a file, in words for who chose it.
export class Unfit extends Error {}

// Return the file as it can be sent, with its picture's width and height; throws Unfit.
export async function fitting(file, { most_bytes: mostBytes, most_pixels: mostPixels }) {
  if (!file.size) throw new Unfit(say("begin.empty_file"));
  const kind = await kindOf(file);
  if (kind && file.size > mostBytes) throw new Unfit(tooLarge(file.size, mostBytes));
  const picture = await createImageBitmap(file).catch(() => null);
  if (!picture) throw new Unfit(kind ? say("begin.broken", { kind }) : say("begin.no_picture", { name: nameOf(file) }));
  try {
    const { width, height } = picture;
    if (width * height > mostPixels) throw new Unfit(tooMany(width, height, mostPixels));
    if (kind) return { blob: file, width, height };
    const blob = await toPng(picture);
    if (blob.size > mostBytes) throw new Unfit(tooLarge(blob.size, mostBytes));
    return { blob, width, height };
  } finally {
    picture.close();
  }
}

async function kindOf(file) {
  const start = new Uint8Array(await file.slice(0, 16).arrayBuffer());
  const found = Object.entries(KINDS).find(([, [at, signs]]) => signs.every((sign, i) => start[at + i] === sign));
  return found ? found[0] : "";
}

function toPng(picture) {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").drawImage(picture, 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}

function tooLarge(size, most) {
  return say("begin.too_large", { size: bytes(size), most: bytes(most) });
}

function tooMany(width, height, most) {
  return say("begin.too_many_pixels", { width, height, most: number(most / 1e6) });
}

function nameOf(file) {
  return (file.name || file.type || "").slice(-60);
}

// The pictures among what was dropped or pasted: files, or the address of one of our own.
export function offered(transfer) {
  const file = [...(transfer?.files || [])].find((one) => one.type.startsWith("image/") || /\.(heic|heif|avif)$/i.test(one.name));
  if (file) return { file };
  if (transfer?.files?.length) return { file: transfer.files[0] };
  const address = transfer?.getData("text/uri-list").split("\n")[0].trim() || "";
  const own = address.startsWith(`${location.origin}/`) && address.match(/\/v1\/images\/([0-9a-f]{32}-\d+)\//);
  return own ? { image: own[1] } : null;
}
