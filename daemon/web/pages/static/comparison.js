/** The page that compares the modes: the same text, made sequentially and in parallel. */

import {lengthOf, timeline} from "./gantt.js";
import {Marks} from "./marks.js";
import {byId, formatted, h, t} from "./page.js";
import {Pane, seconds} from "./pane.js";
import {Settings} from "./settings.js";
import {Transport} from "./transport.js";

const MODES = ["sequential", "parallel"];
/** Below this difference two jobs waited equally long for others. */
const QUEUE_SECONDS_MAX = 1;
/** Below this difference the voice was ready for both jobs. It is loaded when it is first used. */
const VOICE_SECONDS_MAX = 1;

const form = byId("job");
const marks = new Marks(form);
const settings = new Settings();
const panes = MODES.map(mode => new Pane(byId(mode), mode));
const transport = new Transport(MODES.map(mode => ({name: mode, title: t(`comparison.${mode}`)})));
/** Ends when all jobs so far have ended. */
let queue = Promise.resolve();

// Generating

/** Make the videos of some panes: one after the other, as together they would compete for the machine. */
function generate(chosen) {
  if (!form.reportValidity()) return;
  const job = {text: byId("text").value, ...settings.job};
  settings.remember();
  if (byId("at-once").checked) chosen.forEach(pane => pane.generate(job));
  else chosen.forEach(pane => enqueue(pane, job));
}

function enqueue(pane, job) {
  pane.postpone(job);
  queue = queue.then(() => pane.generate(job));
}

/** Show the jobs that the address names, and go on with what was still to be done. */
function restore() {
  const named = new URLSearchParams(location.search);
  const postponed = JSON.parse(sessionStorage.getItem(pendingKey())) ?? {};
  const shown = panes.filter(pane => named.has(pane.mode));
  queue = Promise.all(shown.map(pane => pane.show(named.get(pane.mode))));
  for (const pane of panes) if (postponed[pane.mode]) enqueue(pane, postponed[pane.mode]);
}

const pendingKey = () => `compare-pending ${location.search}`;

// The numbers

function drawVerdict() {
  const reports = panes.map(pane => pane.report);
  byId("verdict").hidden = !reports.every(Boolean);
  if (byId("verdict").hidden) return;
  const [sequential, parallel] = reports.map(report => report.timing.total_seconds);
  byId("speed-up").textContent = `${formatted(sequential / parallel, 2)}×`;
  byId("faster").textContent = t(sequential >= parallel ? "comparison.faster" : "comparison.slower");
  byId("totals").textContent = t("comparison.totals", {sequential: seconds(sequential), parallel: seconds(parallel)});
  byId("warnings").replaceChildren(...warnings(...reports).map(text => h("li", {}, text)));
}

/** Why the speed-up may not mean what it seems to. */
function warnings(sequential, parallel) {
  const spans = [sequential, parallel].map(report => [report.submitted_at, report.finished_at].map(Date.parse));
  const said = report => report.sentences.map(sentence => sentence.text).join(" ");
  const waited = Math.max(sequential.timing.queued_seconds, parallel.timing.queued_seconds);
  const loading = Math.abs(sequential.timing.tts_seconds - parallel.timing.tts_seconds);
  const found = [];
  if (spans[0][0] < spans[1][1] && spans[1][0] < spans[0][1]) found.push(t("comparison.overlap"));
  if (said(sequential) !== said(parallel)) found.push(t("comparison.different"));
  if (sequential.cached || parallel.cached) found.push(t("comparison.cached"));
  if (waited > QUEUE_SECONDS_MAX) found.push(t("comparison.waited", {seconds: seconds(waited)}));
  if (loading > VOICE_SECONDS_MAX) found.push(t("comparison.voice_loaded", {seconds: seconds(loading)}));
  if (parallel.chunks.length === 1) found.push(t("comparison.one_chunk"));
  return found;
}

function drawTimelines() {
  const ready = panes.filter(pane => pane.report);
  byId("timelines").hidden = !ready.length;
  const length = Math.max(...ready.map(pane => lengthOf(pane.report)));
  for (const {mode, report} of panes) {
    const figure = byId(`${mode}-timeline`);
    figure.hidden = !report;
    if (!report) continue;
    figure.querySelector("figcaption span").textContent = seconds(report.timing.total_seconds);
    figure.querySelector(".chart").replaceChildren(timeline(report, length));
  }
  byId("times").tBodies[0].replaceChildren(...steps().map(row));
}

/** Rows of the table: a step and its time in each mode. */
function steps() {
  const times = report => report && {
    queued: report.timing.queued_seconds,
    tts: report.timing.tts_seconds,
    split: report.timing.convert_seconds + report.timing.split_seconds,
    lipsync: report.timing.lipsync_seconds,
    merge: report.timing.merge_seconds,
    total: report.timing.total_seconds,
  };
  const columns = panes.map(pane => times(pane.report));
  return Object.keys(columns.find(Boolean) ?? {}).map(step => [
    step === "total" ? t("comparison.total") : t(`common.stage_${step}`), ...columns.map(column => (column ? seconds(column[step]) : "–")),
  ]);
}

function row([step, ...values]) {
  return h("tr", {}, h("th", {scope: "row"}, step), values.map(value => h("td", {}, value)));
}

// The page

/** Keep the address such that a reload, or whoever gets it, sees the same pair. */
function drawAddress() {
  sessionStorage.removeItem(pendingKey());
  const named = new URLSearchParams(panes.filter(pane => pane.job).map(pane => [pane.mode, pane.job]));
  history.replaceState(null, "", `?${named}`);
  const postponed = panes.filter(pane => pane.postponed).map(pane => [pane.mode, pane.postponed]);
  if (postponed.length) sessionStorage.setItem(pendingKey(), JSON.stringify(Object.fromEntries(postponed)));
  for (const link of document.querySelectorAll(".languages a")) link.search = `?${named}&lang=${link.lang}`;
}

function draw() {
  drawAddress();
  transport.show(panes.filter(pane => pane.report).map(({mode, video}) => ({name: mode, video})));
  marks.show(panes.flatMap(pane => pane.problem?.errors ?? []));
  drawVerdict();
  drawTimelines();
  byId("both").disabled = panes.some(pane => pane.isBusy);
}

form.addEventListener("submit", event => {
  event.preventDefault();
  generate(panes);
});
for (const pane of panes) {
  pane.addEventListener("change", draw);
  byId(pane.mode).querySelector("[data-part=generate]").addEventListener("click", () => generate([pane]));
  byId(pane.mode).querySelector("[data-part=cancel]").addEventListener("click", () => pane.cancel());
}
byId("verdict").before(transport.element);
byId("text").addEventListener("input", event => settings.follow(event.target.value));
settings.load();
restore();
