/** Timelines of jobs as bars: the stages, and each worker's chunks. */

import {duration, formatted, h, t} from "./page.js";

/** The rows of a job's timeline, from its timing JSON: `[{label, bars: [{start, length, kind, text, title}]}]`. */
export function rowsOf(report) {
  const {timing} = report;
  const rows = [];
  let at = 0;
  const add = (stage, length) => {
    if (length > 0) rows.push({label: t(`common.stage_${stage}`), bars: [bar(at, length, stage, "", t(`common.stage_${stage}`))]});
    at += length;
  };
  add("queued", timing.queued_seconds);
  add("tts", timing.tts_seconds);
  add("split", timing.convert_seconds + timing.split_seconds);
  const workers = new Map();
  for (const chunk of report.chunks) {
    if (!workers.has(chunk.worker)) workers.set(chunk.worker, []);
    const own = workers.get(chunk.worker), last = own.at(-1);
    const start = report.mode === "stream" ? pieceStart(report, chunk, last ? last.start + last.length : 0) : at + chunk.queued_seconds;
    const kind = chunk.model === "nogan" ? "other" : "lipsync";
    own.push(bar(start, chunk.total_seconds, kind, formatted(chunk.index + 1), t("common.chunk", {n: formatted(chunk.index + 1)})));
  }
  for (const [worker, bars] of [...workers].sort(([a], [b]) => a.localeCompare(b))) rows.push({label: worker, bars});
  if (timing.merge_seconds > 0) {
    const start = Math.max(0, timing.total_seconds - timing.merge_seconds);
    rows.push({label: t("common.stage_merge"), bars: [bar(start, timing.merge_seconds, "merge", "", t("common.stage_merge"))]});
  }
  return rows;
}

/** When a piece of a stream began: the report has only when it could be played, which may be later than its end. */
function pieceStart({chunks, timing}, chunk, free) {
  const last = Math.max(...chunks.map(({ready_seconds: ready}) => ready ?? 0));
  const latest = (chunk.ready_seconds ?? 0) - chunk.total_seconds;
  return Math.max(free, chunk.index ? latest : Math.min(latest, last - timing.lipsync_seconds), 0);
}

function bar(start, length, kind, text, name) {
  return {start, length, kind, text, title: `${name}: ${duration(start)} – ${duration(start + length)} (${duration(length)})`};
}

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
