/** Timelines of jobs as bars: the stages, and each worker's chunks. */

import {duration, formatted, h, t} from "./page.js";

/** A job's timeline with the runs that did not succeed, from its timing JSON. `seconds`: the length of its axis. */
export function timeline(report, seconds = lengthOf(report)) {
  const lost = (report.runs ?? []).filter(run => run.error);
  return h("div", {class: "stack tight"}, gantt(rowsOf(report), seconds),
    lost.length ? h("ul", {class: "gantt-lost small"}, lost.map(run => h("li", {},
      h("b", {}, `✕ ${spoken(run)}`), ` · ${run.worker} · ${span(run.start_seconds, run.end_seconds)} · `, run.error.message))) : null);
}

/** How long the axis of a job's timeline must be, in seconds. */
export function lengthOf({runs = [], timing}) {
  return Math.max(timing.total_seconds, ...runs.map(run => run.end_seconds));
}

/** The rows of a job's timeline, from its timing JSON: `[{label, bars: [{start, length, kind, text, title}]}]`. */
export function rowsOf({runs = [], chunks}) {
  if (!runs.length) return [];
  const queued = runs[0].start_seconds, name = t("common.stage_queued");
  const workers = new Map(), tried = new Map();
  for (const run of runs) {
    if (!workers.has(run.worker)) workers.set(run.worker, {label: labelOf(run), bars: []});
    const item = `${run.stage} ${run.index}`;
    tried.set(item, (tried.get(item) ?? 0) + 1);
    workers.get(run.worker).bars.push(barOf(run, tried.get(item), chunks));
  }
  return [{label: name, bars: [bar(0, queued, "queued", "", name)]}, ...[...workers.values()].sort(byStage)];
}

const STEPS = ["tts", "split", "lipsync", "pack", "sound", "merge"];

/** Lip-sync workers have names that people gave them; the others are named after their stage. */
const labelOf = ({stage, worker}) => stage === "lipsync" ? worker : t(`common.stage_${["pack", "sound"].includes(stage) ? "merge" : stage}`);

const byStage = ({bars: [one], label}, {bars: [other], label: otherLabel}) =>
  STEPS.indexOf(one.stage) - STEPS.indexOf(other.stage) || label.localeCompare(otherLabel);

function barOf(run, attempt, chunks) {
  const {stage, index, start_seconds: start, end_seconds: end, error} = run;
  const isNumbered = stage === "lipsync" || stage === "pack";
  const kind = error ? "lost" : stage === "lipsync" && chunks && chunks[index]?.model !== chunks[0]?.model ? "other" : stage;
  const text = [error ? "✕" : attempt > 1 ? "↻" : "", isNumbered ? formatted(index + 1) : ""].join("");
  const name = [spoken(run), attempt > 1 ? t("common.attempt", {n: formatted(attempt)}) : "", error?.message].filter(Boolean).join(", ");
  return {...bar(start, end - start, kind, text, name), stage};
}

/** What a run did: `Chunk 2`, `Voice`. */
function spoken({stage, index}) {
  if (stage === "lipsync") return t("common.chunk", {n: formatted(index + 1)});
  return stage === "pack" ? t("common.packing", {n: formatted(index + 1)}) : t(`common.stage_${stage}`);
}

function bar(start, length, kind, text, name) {
  return {start, length, kind, text, title: `${name}: ${span(start, start + length)} (${duration(length)})`};
}

const span = (start, end) => `${duration(start)} – ${duration(end)}`;

/** A timeline as an element. `seconds`: the length of its axis, so that several timelines can share a scale. */
export function gantt(rows, seconds) {
  const chart = h("div", {class: "gantt", role: "img", "aria-label": description(rows)});
  for (const row of rows) {
    const track = h("div", {class: "gantt-track"});
    for (const {start, length, kind, text, title} of row.bars) {
      const element = h("i", {class: `gantt-bar kind-${kind}`, title}, text);
      element.style.left = `${100 * start / seconds}%`;
      element.style.width = `${100 * length / seconds}%`;
      track.append(element);
    }
    chart.append(h("div", {class: "gantt-row"}, h("span", {class: "gantt-label", title: row.label}, row.label), track));
  }
  chart.append(axis(seconds));
  return chart;
}

function axis(seconds) {
  const steps = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600];
  const step = steps.find(size => seconds / size <= 6) ?? 7200;
  const track = h("div", {class: "gantt-track"});
  for (let at = 0; at <= seconds * 0.97; at += step) {
    const tick = h("span", {}, step < 60 ? formatted(at, step < 0.1 ? 2 : step < 1 ? 1 : 0) : duration(at));
    tick.style.left = `${100 * at / seconds}%`;
    track.append(tick);
  }
  return h("div", {class: "gantt-row gantt-axis", "aria-hidden": "true"}, h("span", {class: "gantt-label"}, t("common.axis")), track);
}

function description(rows) {
  return rows.map(row => `${row.label}: ${row.bars.map(({title}) => title).join("; ")}`).join(". ");
}
