// eval "$(garret env --certificate node.pem)"; export NODE_EXTRA_CA_CERTS=$PWD/node.pem  # the latter for https without --acme
// node generate.mjs "a red circle on a blue background" circle.png
import { writeFile } from "node:fs/promises";

import { Garret, GarretError, JobFailed } from "./garret.mjs";

const [prompt = "a red circle on a blue background", file = "picture.png"] = process.argv.slice(2);
const stop = new AbortController();
process.once("SIGINT", () => stop.abort(new Error("interrupted: the job is cancelled")));

try {
  const garret = new Garret({ url: process.env.GARRET_URL, token: process.env.GARRET_TOKEN });
  const onProgress = ({ state, progress, ended_at: endedAt }) =>
    process.stderr.write(`\r${state} ${Math.round(100 * (progress?.share ?? (endedAt === null ? 0 : 1)))} %  `);
  const [picture] = await garret.generate(prompt, { seed: 7 }, { signal: stop.signal, onProgress });
  await writeFile(file, Buffer.from(await picture.blob.arrayBuffer()));
  console.log(`${file}: ${picture.mediaType}, seed ${picture.seed}`);
} catch (error) {
  const known = error instanceof GarretError || error instanceof JobFailed;
  // fetch hides behind its cause what went wrong with a connection, for example a certificate that nobody vouches for.
  const text = [error.message, error.cause?.message].filter(Boolean).join(": ");
  console.error(known ? `${error.message}. ${error.hint ?? ""}` : text);
  process.exitCode = 1;
}
