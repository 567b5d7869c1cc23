// A finished picture anywhere on the page: small as a card, and whole in a dialog with all that can be done with it.

import { make } from "./element.js";
import { show } from "./picture_dialog.js";
import { say } from "./words.js";

// What is told of pictures: "gone" ({detail: id}), deleted here or not kept any more.
export const events = new EventTarget();

// A picture small, as a button that opens it. `image` is a record of GET /v1/images, or what there is of one (`id`).
// `list` are the pictures that the dialog goes through, or a function that returns them; `whole` shows the file itself
// instead of its small form; `chosen(event)` is called instead of opening it, unless it returns false.
export function pictureCard(image, { list = null, whole = false, caption = true, chosen = null } = {}) {
  const words = image.prompt || say("picture.without_words");
  const source = whole ? fileOf(image) : smallOf(image);
  const small = make("img", {
    alt: words, width: image.width || 384, height: image.height || 384, loading: "lazy", decoding: "async", src: source,
  });
  const card = make(
    "button",
    {
      type: "button", class: "garret-card", "data-picture": image.id, translate: "no", title: words,
      onclick: (event) => {
        if (chosen && chosen(event) !== false) return;
        openPicture(image, typeof list === "function" ? list() : list || [image]);
      },
    },
    make("span", { class: "garret-card-picture" }, small),
    caption && make("span", { class: "garret-card-words", "aria-hidden": "true" }, words),
  );
  // As high as its picture will be, unless whoever shows it says otherwise.
  card.style.setProperty("--garret-ratio", `${small.getAttribute("width")} / ${small.getAttribute("height")}`);
  small.addEventListener("error", () => lost(card, small, image));
  return card;
}

// Show a picture at its full size; `image` is a record or an id, `more()` resolves to whether it made the list longer.
export function openPicture(image, list = [image], { more = null } = {}) {
  const at = list.findIndex((one) => idOf(one) === idOf(image));
  show(at < 0 ? [image] : list, Math.max(0, at), at < 0 ? null : more);
}

// Show a picture that is only a file of somebody's: {file: Blob, source, infotext, width, height, media_type, size}.
export function openFile(picture) {
  show([picture], 0);
}

export function idOf(image) {
  return typeof image === "string" ? image : image.id;
}

export function fileOf(image) {
  return `/v1/images/${idOf(image)}/file`;
}

export function smallOf(image) {
  return `/v1/images/${idOf(image)}/thumbnail`;
}

// What a picture's file is called when it is downloaded.
export function fileNameOf(image) {
  const suffix = { "image/jpeg": "jpg", "image/webp": "webp" }[image.media_type] || "png";
  const [job, number] = idOf(image).split("-");
  return `${["garret", image.seed ?? "", job.slice(0, 8), number].filter((part) => part !== "").join("-")}.${suffix}`;
}

// Tell everybody that a picture is not there any more.
export function gone(id) {
  events.dispatchEvent(new CustomEvent("gone", { detail: id }));
  for (const card of document.querySelectorAll(`[data-picture="${CSS.escape(id)}"]`)) card.classList.add("garret-lost");
}

// A picture that does not load is tried once more a moment later: the service may be starting again.
function lost(card, small, image) {
  if (card.dataset.tried) {
    card.classList.add("garret-lost");
    small.alt = say("picture.not_shown");
    return;
  }
  card.dataset.tried = "1";
  setTimeout(() => {
    if (card.isConnected) small.src = `${smallOf(image)}?again`;
  }, 3000);
}
