// What GET /machine says, in sections that only show: devices, workers, memory, the queue, costs and versions.

import { fill, make } from "./element.js";
import { facts, filled, percents, section } from "./machine_parts.js";
import { bytes, language, lasting, moment, number, say } from "./words.js";

const VERSIONS = {
  garret: "garret",
  python: "Python",
  torch: "PyTorch",
  cuda: "CUDA",
  diffusers: "diffusers",
  transformers: "transformers",
  gradio: "Gradio",
};

// The sections in their order, each with how it is drawn from the facts.
export function sections() {
  return [
    ["gpu", gpu],
    ["workers", workers],
    ["host", host],
    ["queue", queue],
    ["cost", cost],
    ["about", about],
  ].map(([name, draw]) => {
    const { node, body } = section(say(`machine.${name}`));
    return { node, show: (machine) => fill(body, draw(machine)) };
  });
}

function gpu({ gpu: { devices, reason } }) {
  if (!devices) return [make("p", {}, say("machine.gpu_none")), reason && make("p", { class: "garret-dim", lang: "en", translate: "no" }, reason)];
  return devices.map((one) => [
    make("p", { class: "garret-machine-name", translate: "no" }, one.name),
    filled(say("machine.gpu_memory"), one.memory_used, one.memory_total),
    percents(say("machine.gpu_load"), one.load_percent),
    facts(
      one.temperature_c !== null && [say("machine.heat"), `${number(one.temperature_c)} °C`],
      one.power_w !== null && [say("machine.power"), `${number(one.power_w)} W`],
    ),
  ]);
}

function workers({ workers: all }) {
  if (!all.length) return make("p", {}, say("machine.workers_none"));
  return all.map((one, at) => [
    make("p", { class: "garret-machine-name" }, say("machine.worker", { number: at + 1, device: one.device || say("machine.unknown") })),
    facts(
      [say("machine.state"), say(`machine.worker_${one.ready ? (one.working ? "working" : "ready") : "starting"}`)],
      one.mode && [say("machine.mode"), say(one.mode === "low-vram" ? "machine.mode_low" : "machine.mode_normal")],
      one.memory_used !== null && [
        say("machine.own_memory"),
        one.memory_total ? say("machine.of", { used: bytes(one.memory_used), total: bytes(one.memory_total) }) : bytes(one.memory_used),
      ],
      [say("machine.loaded"), one.models.length ? make("span", { translate: "no" }, one.models.join(", ")) : say("machine.none")],
      one.dtype && [say("machine.precision"), make("span", { translate: "no" }, one.dtype)],
      one.restarts > 0 && [say("machine.restarts"), number(one.restarts)],
    ),
  ]);
}

function host({ host: one }) {
  const free = one.disk_total === null ? null : bytes(Math.max(0, one.disk_total - one.disk_used));
  return [
    filled(say("machine.memory"), one.memory_used, one.memory_total),
    filled(say("machine.disk"), one.disk_used, one.disk_total),
    facts([say("machine.disk_free"), free]),
  ];
}

function queue({ queue: line }) {
  return facts(
    [say("machine.queue_length"), number(line.length)],
    [say("machine.queue_running"), number(line.running)],
    [say("machine.queue_limit"), number(line.limit)],
    [say("machine.queue_wait"), line.expected_s === null ? null : lasting(line.expected_s)],
  );
}

function cost({ cost: known }) {
  if (!known) return make("p", {}, say("machine.cost_unknown"));
  const hourly = (amount) => (amount === null ? null : say("machine.cost_hour", { price: price(amount, known.currency) }));
  return [
    known.made_up && make("p", { class: "garret-dim" }, say("machine.cost_made_up")),
    facts(
      [say("machine.cost_now"), make("strong", {}, hourly(known.running_per_hour))],
      [say("machine.cost_stopped"), hourly(known.stopped_per_hour)],
      [say("machine.cost_run"), say("machine.cost_so_far", { price: price(known.so_far, known.currency), moment: moment(known.since) })],
    ),
    make("p", { class: "garret-dim" }, say("machine.cost_hint")),
  ];
}

function about({ uptime, versions, certificate }) {
  const told = certificate ? [certificate.state, certificate.name, certificate.reason].filter(Boolean).join(": ") : "";
  const driver = versions.driver && `${versions.driver}${versions.driver_cuda ? ` (CUDA ${versions.driver_cuda})` : ""}`;
  return facts(
    [say("machine.uptime_node"), uptime.node_s === null ? null : lasting(uptime.node_s)],
    [say("machine.uptime_service"), lasting(uptime.service_s)],
    certificate && [say("machine.certificate"), make("span", { lang: "en", translate: "no" }, told)],
    ...Object.entries(VERSIONS).map(([name, shown]) => [make("span", { translate: "no" }, shown), versions[name] && make("span", { translate: "no" }, versions[name])]),
    driver && [say("machine.driver"), make("span", { translate: "no" }, driver)],
  );
}

function price(amount, currency) {
  try {
    return new Intl.NumberFormat(language, { style: "currency", currency, maximumFractionDigits: amount && amount < 1 ? 3 : 2 }).format(amount);
  } catch {
    return `${number(amount, 2)} ${currency}`;
  }
}
