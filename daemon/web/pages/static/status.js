/** The page of the daemon's state: what waits, and what each worker does, by machine. */

import {readHealth} from "./api.js";
import {byId, formatted, h, setText, t, url} from "./page.js";

const EVERY_MS = 2000;
const UP = ["idle", "busy"];

/** What a worker does, or what keeps it from working. */
function activity({state, job, step, index}) {
  if (!job) return h("span", {class: "dim"}, t(`status.state_${state.split(" ")[0]}`));
  const stage = t(`common.stage_${{align: "tts", pack: "merge", sound: "merge"}[step] ?? step}`);
  const part = step === "lipsync" ? ` · ${t("common.chunk", {n: formatted(index + 1)})}` : "";
  return [h("a", {href: url(`/jobs/${encodeURIComponent(job)}`)}, job), h("span", {class: "dim"}, ` · ${stage}${part}`)];
}

const row = ([name, worker]) => h("tr", {"data-state": UP.includes(worker.state) ? worker.state : "off"},
  h("th", {scope: "row"}, h("i", {"aria-hidden": "true"}), name), h("td", {class: "dim"}, worker.device ?? "–"), h("td", {}, activity(worker)));

function card(node, workers) {
  const busy = workers.filter(([, {state}]) => state === "busy").length;
  return h("section", {class: "card stack"},
    h("header", {class: "row between"}, h("h2", {}, node),
      h("span", {class: "dim small"}, t("status.busy", {n: formatted(busy), all: formatted(workers.length)}))),
    h("table", {class: "workers"}, h("thead", {}, h("tr", {}, ...["worker", "device", "does"].map(key => h("th", {scope: "col"}, t(`status.${key}`))))),
      h("tbody", {}, workers.map(row))));
}

/** The workers of each machine, those without one last. */
function byNode(workers) {
  const found = new Map(), isCluster = Object.values(workers).some(({node}) => node);
  for (const entry of Object.entries(workers)) {
    const node = entry[1].node ?? t(isCluster ? "status.nowhere" : "status.here");
    if (!found.has(node)) found.set(node, []);
    found.get(node).push(entry);
  }
  const rank = ([node]) => node === t("status.nowhere") ? 1 : 0;
  return [...found].sort((one, other) => rank(one) - rank(other) || one[0].localeCompare(other[0]));
}

function show(health) {
  setText(byId("why"), health.why || t(`status.daemon_${health.status}`));
  for (const [key, count] of Object.entries({...health.queue, done: health.done, failed: health.failed})) {
    setText(byId(key), formatted(count));
  }
  byId("nodes").replaceChildren(...byNode(health.workers).map(([node, workers]) => card(node, workers)));
}

async function look() {
  if (document.hidden) return;
  try {
    show(await readHealth());
  } catch (error) {
    setText(byId("why"), error.message);
  }
}

look();
setInterval(look, EVERY_MS);
document.addEventListener("visibilitychange", look);
