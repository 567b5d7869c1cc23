// What came of a job: its pictures, as large as they are shown and no larger, each with what leads further.

import { make } from "./element.js";
import { pictureCard } from "./picture.js";
import { sendButtons } from "./send.js";
import { say } from "./words.js";

// The nodes for all finished pictures of a job.
export function jobPictures(job) {
  const { prompt = "", width, height } = job.request;
  const images = job.pictures.map(({ number, seed, media_type }) => ({ id: `${job.id}-${number}`, prompt, seed, width, height, media_type }));
  return images.map((image) => onePicture(image, images));
}

function onePicture(image, images) {
  // Of several, each has them where it opens.
  const send = images.length === 1 ? sendButtons(image.id) : [];
  const card = pictureCard(image, { list: images, whole: images.length === 1, caption: false });
  card.style.aspectRatio = `${image.width} / ${image.height}`;
  // A larger one is not exact in a script's numbers: the picture's own text has it.
  const seed = Number.isSafeInteger(image.seed) && [say("jobs.seed"), " ", make("span", { translate: "no" }, String(image.seed))];
  return make("figure", { class: "garret-job-picture" }, card, seed && make("figcaption", {}, seed),
    send.length > 0 && make("div", { class: "garret-buttons" }, send));
}
