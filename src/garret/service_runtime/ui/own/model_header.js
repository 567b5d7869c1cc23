// What a file of one's own is, told by its header before a byte of it is sent; the service looks again when it is there.

const LARGEST_HEADER = 32 << 20;
const CHANGES = /[._](lora_(down|up|[AB])|lora\.(down|up)|lora_linear_layer|hada_w[12]_[ab]|lokr_w[12]|oft_(blocks|diag))(\.|$)/;

// {type} where it can be told, {} where not, or {problem}: the key of words that say why this file is none.
export async function readHeader(file) {
  if (/\.pth$/i.test(file.name)) return { type: "upscaler" };
  if (/\.(png|jpe?g|webp)$/i.test(file.name)) return { problem: "models.file.picture" };
  const start = new DataView(await file.slice(0, 16).arrayBuffer());
  if (start.byteLength < 16) return { problem: "models.file.format" };
  const first = start.getUint32(0);
  if (first === 0x504b0304 || first >>> 16 === 0x8002 || first >>> 16 === 0x8004) return { problem: "models.file.pickle" };
  const length = start.getUint32(0, true) + start.getUint32(4, true) * 4294967296;
  if (length > LARGEST_HEADER || start.getUint8(8) !== 0x7b) return { problem: "models.file.format" };
  let names;
  try {
    names = Object.keys(JSON.parse(await file.slice(8, 8 + length).text()));
  } catch {
    return { problem: "models.file.format" };
  }
  return typeBy(names);
}

function typeBy(names) {
  if (names.some((name) => CHANGES.test(name))) return { type: "lora" };
  if (names.some((name) => /^(model\.diffusion_model\.|double_blocks\.|joint_blocks\.)/.test(name))) return { type: "checkpoint" };
  if (names.some((name) => ["clip_g", "clip_l", "emb_params"].includes(name))) return { problem: "models.file.embedding" };
  if (names.some((name) => /^(first_stage_model\.)?decoder\.conv_in/.test(name))) return { type: "vae" };
  return {};
}
