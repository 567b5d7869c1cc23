// Files on their way up from this computer, one after the other, and those that were cut off.

import { call } from "./api.js";
import { ComingRow } from "./coming_row.js";
import { make } from "./element.js";
import { whyNot } from "./model_failures.js";
import { readHeader } from "./model_header.js";
import { typeHinted } from "./model_sources.js";
import { store } from "./model_store.js";
import { beingSent, remember, unfinished, Upload } from "./model_upload.js";
import { typeName } from "./model_words.js";
import { bytes, say } from "./words.js";

// They live with the page, not with the tab's element.
const all = new Set();
let turn = Promise.resolve();

addEventListener("beforeunload", (event) => {
  if ([...all].some((one) => !one.over)) event.preventDefault();
});

export class Uploads {
  #cut = new Map();
  list = make("ul", { class: "garret-rows garret-uploads", "aria-label": say("models.uploads") });

  // `choose(facts)` opens the browser's choice of files for one that was cut off.
  constructor(tell, choose) {
    this.tell = tell;
    this.choose = choose;
    for (const upload of all) this.#show(upload);
    this.#showCut();
  }

  // Take files; `type` is what somebody chose, empty to have it told by the file.
  async add(files, type, directory) {
    for (const file of files) {
      const said = await readHeader(file);
      const found = type || said.type || typeHinted(file.name);
      if (said.problem) this.tell(`${file.name}: ${say(said.problem)}`, true);
      else if (!found) this.tell(`${file.name}: ${say("models.file.which")}`, true);
      else this.#begin(new Upload(file, { type: found, directory: found === "other" ? directory : "" }));
    }
  }

  #begin(upload) {
    for (const [id, { row, facts }] of this.#cut) {
      if (facts.name === upload.name && facts.size === upload.size) (row.node.remove(), this.#cut.delete(id));
    }
    all.add(upload);
    this.#show(upload);
    // One at a time: two halves of a line are no sooner there, and each file is whole earlier.
    turn = turn.then(() => upload.over || upload.run());
  }

  #show(upload) {
    const row = new ComingRow(upload.name, typeName(upload.type));
    const draw = () => this.#draw(upload, row);
    upload.addEventListener("change", draw);
    draw();
    this.list.append(row.node);
    this.list.hidden = false;
  }

  #draw(upload, row) {
    const cancel = [say("coming.cancel"), () => upload.cancel()];
    const hide = [say("coming.hide"), () => (all.delete(upload), row.node.remove())];
    if (upload.over) row.over();
    if (upload.phase === "cancelled") hide[1]();
    else if (upload.phase === "failed") row.says(whyNot(upload.fault), { again: [say("models.again"), () => this.#repeat(upload, row)], hide }, true);
    else if (upload.phase === "done") {
      row.says(say("models.came", { size: bytes(upload.size) }), { hide });
      store.changed();
    } else {
      const told = row.at(upload.done, upload.size);
      row.says(upload.phase === "sending" ? told : say(`models.upload.${upload.phase}`, { told }), { cancel });
    }
  }

  #repeat(upload, row) {
    all.delete(upload);
    row.node.remove();
    this.#begin(new Upload(upload.file, upload));
  }

  // What this browser began and did not end: the file itself is not the page's to keep, it has to be chosen again.
  async #showCut() {
    const sent = await beingSent();
    for (const [id, facts] of Object.entries(unfinished())) {
      if (sent.includes(id) || [...all].some((one) => one.id === id)) continue;
      const state = await call(`/v1/uploads/${id}`).catch((fault) => fault.status === 404 && remember(id, null));
      if (!state) continue;
      const row = new ComingRow(facts.name, typeName(facts.type));
      const told = row.at(state.received, state.size);
      row.says(say("models.upload.cut", { told }), {
        choose: [say("models.upload.choose"), () => this.choose(facts)],
        drop: [say("models.upload.drop"), () => this.#drop(id, row)],
      });
      this.#cut.set(id, { row, facts });
      this.list.append(row.node);
      this.list.hidden = false;
    }
  }

  async #drop(id, row) {
    await call(`/v1/uploads/${id}`, { method: "DELETE" }).catch(() => {});
    remember(id, null);
    row.node.remove();
    this.#cut.delete(id);
  }
}
