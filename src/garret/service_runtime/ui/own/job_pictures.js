// What came of a job: its pictures, as large as they are shown and no larger, with what can be done with each.

import { make } from "./element.js";
import { say } from "./words.js";

const SIDE = 384; // of a thumbnail

// The nodes for all finished pictures of a job.
export function jobPictures(job) {
  if (job.pictures_removed) return [];
  return job.pictures.map((picture) => onePicture(job, picture));
}

function onePicture(job, picture) {
  const id = `${job.id}-${picture.number}`;
  const { width = SIDE, height = SIDE } = job.request;
  const scale = Math.min(1, SIDE / Math.max(width, height));
  const image = make("img", {
    src: `/v1/images/${id}/thumbnail`, alt: job.request.prompt || say("jobs.no_prompt"), decoding: "async",
    width: Math.round(width * scale), height: Math.round(height * scale),
  });
  return make("figure", { class: "garret-job-picture" },
    make("a", { href: picture.url, target: "_blank", class: "garret-job-open", "aria-label": say("jobs.open", { seed: picture.seed }) }, image),
    make("figcaption", {}, say("jobs.seed"), " ", make("span", { translate: "no" }, String(picture.seed))));
}
