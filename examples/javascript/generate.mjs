// GARRET_URL=https://HOST GARRET_TOKEN=… node generate.mjs "a red circle on a blue background" circle.png
import { writeFile } from "node:fs/promises";

import { Garret, GarretError, JobFailed } from "./garret.mjs";

const [prompt = "a red circle on a blue background", file = "picture.png"] = process.argv.slice(2);
const garret = new Garret({ url: process.env.GARRET_URL, token: process.env.GARRET_TOKEN });
const stop = new AbortController();
process.once("SIGINT", () => stop.abort(new Error("interrupted: the job is cancelled")));

try {
  const onProgress = ({ state, progress }) =>
    process.stderr.write(`\r${state} ${Math.round(100 * (progress?.share ?? 0))} %  `);
  const [picture] = await garret.generate(prompt, { seed: 7 }, { signal: stop.signal, onProgress });
  await writeFile(file, Buffer.from(await picture.blob.arrayBuffer()));
  console.log(`${file}: ${picture.mediaType}, seed ${picture.seed}`);
} catch (error) {
  const known = error instanceof GarretError || error instanceof JobFailed;
  console.error(known ? `${error.message}. ${error.hint ?? ""}` : error.message);
  process.exitCode = 1;
}
