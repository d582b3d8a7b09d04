/** The report of a job as one page, which needs no other file and no network. */

import {embeddedVideo} from "./embedded.js";
import {about, list, saidIn, times, transcript, warnings} from "./facts.js";
import {timeline} from "./gantt.js";
import {byId, duration, formatted, given, h, t} from "./page.js";
import {waveform} from "./waveform.js";

const GIBIBYTE = 2 ** 30;

const {report, sound, video: source} = given;
const video = source ? makeVideo() : null;

function makeVideo() {
  const made = h("video", {controls: true, playsinline: true, preload: "metadata", "aria-label": t("job.video")});
  const {width, height} = report.video;
  made.style.aspectRatio = String(width / height);
  made.src = source.url ?? embeddedVideo(source.id);
  made.addEventListener("error", () => made.replaceWith(h("p", {class: "notice"}, t("report.no_video", {file: report.video.file}))));
  return made;
}

function go(seconds) {
  if (!video) return;
  video.currentTime = seconds;
  video.play().catch(() => {});
}

// Its parts

function heading() {
  const title = saidIn(report);
  const when = new Intl.DateTimeFormat(document.documentElement.lang, {dateStyle: "long", timeStyle: "medium"});
  return h("header", {class: "stack tight"},
    h("div", {class: "row"}, h("span", {class: "badge", "data-status": report.status}, t(`common.status_${report.status}`)),
      h("span", {class: "dim small"}, when.format(new Date(report.finished_at)))),
    h("h1", {}, title), title === report.job && !report.dropped_as ? null : h("p", {class: "dim small"}, h("code", {}, report.job),
      report.dropped_as ? [" ", t("report.dropped_as", {file: report.dropped_as})] : null));
}

function failure() {
  const {error, attempts} = report;
  if (!error) return null;
  const wrong = [error, ...error.further ?? []].map(({message, hint, code, field}) => h("div", {},
    h("p", {class: "problem-what"}, message), hint ? h("p", {class: "problem-hint"}, hint) : null,
    h("p", {class: "problem-code"}, h("code", {}, code), field ? h("span", {}, t("common.field", {field})) : null)));
  return h("div", {class: "problem"}, wrong,
    h("p", {class: "problem-code"},
      error.stage ? h("span", {}, `${t("job.failed_in")}: ${t(`common.stage_${error.stage}`)}`) : null,
      h("span", {}, `${t("job.attempts")}: ${formatted(attempts)}`)),
    h("p", {class: "small"}, t("job.retry", {name: report.job})));
}

function soundCard() {
  if (!sound) return null;
  return card(t("report.sound"), waveform(sound, report, video));
}

function timelineCard() {
  if (!report.runs?.length) return null;
  return card(t("job.timeline"), report.cached ? h("p", {class: "small dim"}, t("report.earlier")) : null, timeline(report), chunkTable());
}

function chunkTable() {
  const {chunks, mode} = report;
  if (!chunks) return null;
  const seconds = value => value === undefined ? "" : formatted(value, 2);
  const columns = ["part", "from", "frames", "model", "worker", "waited", "inference", "encoding", "total", ...(mode === "stream" ? ["ready", "slack"] : [])];
  const cells = chunk => [formatted(chunk.index + 1), seconds(chunk.start_seconds), formatted(chunk.frames), chunk.model, `${chunk.worker} · ${chunk.device}`,
    seconds(chunk.queued_seconds), seconds(chunk.inference_seconds), seconds(chunk.encode_seconds), seconds(chunk.total_seconds),
    ...(mode === "stream" ? [seconds(chunk.ready_seconds), seconds(chunk.slack_seconds)] : [])];
  return h("details", {}, h("summary", {class: "small"}, t("report.chunks", {n: formatted(chunks.length)})),
    h("div", {class: "scroll"}, h("table", {class: "figures"},
      h("thead", {}, h("tr", {}, columns.map(name => h("th", {scope: "col"}, t(`report.column_${name}`))))),
      h("tbody", {}, chunks.map(chunk => h("tr", {}, cells(chunk).map(text => h("td", {}, text))))))));
}

function settings() {
  const found = report.settings;
  if (!found) return null;
  return pairs(t("report.settings"), [
    ["language", found.language], ["voice", found.voice ?? t("report.default")], ["speed", `${formatted(found.speed, 2)}×`],
    ["mode", t(`common.mode_${found.mode}`)], ["model", found.model ?? t("report.default")],
    ["workers", found.num_workers ? formatted(found.num_workers) : t("report.all")], ["priority", formatted(found.priority)],
    ["encoder", `x264 ${found.preset}, CRF ${found.crf}`],
  ]);
}

function machine() {
  const found = report.machine;
  if (!found) return null;
  return pairs(t("report.machine"), [
    ["processor", `${found.processor}, ${t("report.cores", {n: formatted(found.cores)})}`],
    ["memory", `${formatted(found.memory_bytes / GIBIBYTE, 0)} GiB`],
    ["gpu", found.gpus.join(", ") || t("report.none")], ["system", found.system], ["lipdrop", found.lipdrop],
  ]);
}

function provenance() {
  if (!report.video) return null;
  return h("p", {class: "small dim hash"}, `${report.video.file} · SHA-256 ${report.video.sha256}`);
}

function metadata() {
  if (!Object.keys(report.metadata).length) return null;
  return card(t("report.metadata"), h("pre", {}, JSON.stringify(report.metadata, null, 2)));
}

function card(title, ...content) {
  return h("section", {class: "card stack"}, h("h2", {}, title), ...content);
}

function pairs(title, found) {
  return card(title, h("dl", {class: "numbers wide"}, found.map(([key, text]) => h("div", {}, h("dt", {}, t(`report.${key}`)), h("dd", {}, text)))));
}

function failedTimes() {
  return report.error ? list(t("job.times"), [["total", duration(report.timing.total_seconds)]]) : null;
}

const facts = report.error
  ? []
  : [h("div", {class: "job-columns"},
    h("div", {class: "stack"}, video),
    h("div", {class: "stack"}, list(t("job.times"), times(report)), list(t("job.about"), about(report))))];

byId("main").append(h("div", {class: "job stack"}, heading(), failure(), warnings(report), ...facts, soundCard(), timelineCard(), failedTimes(),
  report.error ? null : transcript(report, go), h("div", {class: "pair"}, settings(), machine()), metadata(), provenance()));
