// The text that tells what a picture was made from, taken apart to be shown; the service has the exact rules.

const PAIR = /(?<![\p{L}\p{N}_])([\p{L}\p{N}_][\p{L}\p{N}_ \-/]{1,60}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/gu;
const NEGATIVE = "Negative prompt:";
const FEWEST = 3;

function unquoted(value) {
  if (value.length < 2 || !value.startsWith('"') || !value.endsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    return value;
  }
}

// The words and the pairs of the last line: {prompt, negative, pairs: [[name, value], …]}.
export function parsed(text) {
  const lines = text.trimEnd().split("\n");
  const found = [...(lines.at(-1) || "").slice(0, 100000).matchAll(PAIR)];
  let pairs = found.length < FEWEST ? [] : found.map(([, name, value]) => [name, unquoted(value.trim())]);
  if (pairs.length) lines.pop();
  const at = lines.findIndex((line) => line.startsWith(NEGATIVE));
  const words = at < 0 ? lines : lines.slice(0, at);
  const negative = at < 0 ? "" : lines.slice(at).join("\n").slice(NEGATIVE.length).trimStart();
  const exact = Object.fromEntries(pairs.filter(([name]) => name.startsWith("Exact ")));
  pairs = pairs.filter(([name]) => !name.startsWith("Exact "));
  return { prompt: exact["Exact prompt"] ?? words.join("\n"), negative: exact["Exact negative prompt"] ?? negative, pairs };
}
