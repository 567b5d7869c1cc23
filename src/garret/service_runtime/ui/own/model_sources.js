// Where a model comes from, as people paste it: an address, a page of a hub, or the short names of garret's own.

const SHORT = /^(civitai|hf|modelscope):|^oss:\/\//i;
const REVISION = /^[\w.-]{1,64}$/;
const HUBS = [
  [/(^|\.)civitai\.[a-z]+$/, civitai],
  [/^huggingface\.co$/, (url) => repository("hf", url, "main", /^\/([^/]+)\/([^/]+)\/(?:blob|resolve|raw)\/([^/]+)\/(.+)$/)],
  [/(^|\.)modelscope\.(cn|ai)$/, modelscope],
];

// What the API is asked for: {url} or {from}; or {problem}, the key of words that say what is wrong with it.
export function sourceOf(text) {
  const said = text.trim();
  if (!said) return { problem: "models.source.missing" };
  if (SHORT.test(said)) return { from: said };
  let url;
  try {
    url = new URL(/^[\w.-]+\.[a-z]{2,}\//i.test(said) ? `https://${said}` : said);
  } catch {
    return { problem: "models.source.unknown" };
  }
  if (!/^https?:$/.test(url.protocol)) return { problem: "models.source.unknown" };
  const hub = HUBS.find(([host]) => host.test(url.hostname));
  return (hub && hub[1](url)) || { url: url.href };
}

// The type that a name suggests; empty for one that suggests none.
export function typeHinted(text) {
  const last = text.toLowerCase();
  if (/lora|lycoris|locon/.test(last)) return "lora";
  if (/(^|[^a-z])vae([^a-z]|$)/.test(last)) return "vae";
  if (/\.pth($|\?)|esrgan|upscal|(^|[^\d])[248]x[-_ ]?\w/.test(last)) return "upscaler";
  return "";
}

function civitai(url) {
  const version = url.searchParams.get("modelVersionId");
  const model = url.pathname.match(/^\/(?:[a-z]{2}\/)?models\/(\d+)/);
  if (model) return { from: `civitai:${model[1]}${/^\d+$/.test(version || "") ? `@${version}` : ""}` };
  const file = url.pathname.match(/^\/api\/download\/models\/(\d+)/);
  return file ? { from: `civitai:@${file[1]}` } : { problem: "models.source.page" };
}

function repository(hub, url, usual, pattern) {
  const found = decodeURI(url.pathname).match(pattern);
  // A revision with other characters is none that the short form can say; the whole address goes.
  if (found && !REVISION.test(found[3])) return null;
  if (found) return { from: `${hub}:${found[1]}/${found[2]}${found[3] === usual ? "" : `@${found[3]}`}/${found[4]}` };
  return { problem: "models.source.page" };
}

function modelscope(url) {
  if (/^\/api\//.test(url.pathname)) return null;
  const named = url.searchParams.get("fileName");
  const view = url.pathname.match(/^\/models\/([^/]+)\/([^/]+)\/file\/view\/([^/]+)$/);
  if (named && view) return { from: `modelscope:${view[1]}/${view[2]}${view[3] === "master" ? "" : `@${view[3]}`}/${named}` };
  return repository("modelscope", url, "master", /^\/models\/([^/]+)\/([^/]+)\/(?:resolve|file\/view)\/([^/]+)\/(.+)$/);
}
