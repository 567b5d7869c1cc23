// A picture's file of somebody's own, read for what it was made from: chosen, dropped or pasted. It is not kept.

import { call } from "./api.js";
import { told } from "./faults.js";
import { openFile } from "./picture.js";
import { bytes, say } from "./words.js";

const KINDS = ["image/png", "image/jpeg", "image/webp"];
export const ACCEPT = KINDS.join(",");

// Read a file and show what it says; resolves to the words of what is wrong with it, or "".
export async function readPicture(file, most) {
  const problem = await wrong(file, most);
  if (problem) return problem;
  let facts;
  try {
    facts = await call("/v1/images/read", { method: "POST", body: file });
  } catch (fault) {
    if (fault.field === "body") return say("gallery.read_broken", { name: file.name });
    return told(fault);
  }
  const source = URL.createObjectURL(file);
  openFile({ ...facts, file, source, size: file.size, closed: () => URL.revokeObjectURL(source) });
  return "";
}

async function wrong(file, most) {
  if (most && file.size > most) return say("gallery.read_large", { name: file.name, size: bytes(file.size), most: bytes(most) });
  if (!file.size) return say("gallery.read_broken", { name: file.name });
  const kind = kindOf(new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  return kind ? "" : say("gallery.read_other", { name: file.name });
}

// By its first bytes: names and types of files say what somebody thinks they are.
function kindOf(bytes) {
  const text = String.fromCharCode(...bytes);
  if (text.startsWith("\u0089PNG")) return KINDS[0];
  if (text.startsWith("\u00ff\u00d8\u00ff")) return KINDS[1];
  return text.startsWith("RIFF") && text.slice(8) === "WEBP" ? KINDS[2] : "";
}

// The file in what was pasted or dropped, or null.
export function fileIn(transfer) {
  return [...(transfer?.files || [])][0] ?? null;
}
