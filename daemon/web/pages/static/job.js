/** A job's page: progress while it runs, then its video, times and timeline. */

import {askStream, cancel, problemCard} from "./api.js";
import {follow} from "./events.js";
import {about, list, times, transcript, warnings} from "./facts.js";
import {timeline} from "./gantt.js";
import {failure} from "./jobs.js";
import {byId, copy, duration, formatted, given, h, setText, since, t} from "./page.js";
import {drawPieces} from "./pieces.js";
import {StreamPlayer, showVideo} from "./player.js";
import {titleOf} from "./titles.js";

const STAGES = ["tts", "split", "lipsync", "merge"];

let player = null;

function show(state) {
  const status = byId("status");
  status.dataset.status = state.status;
  setText(status, t(`common.status_${state.status}`));
  setText(byId("when"), state.updated_at ? since(state.updated_at) : "");
  setText(byId("title"), titleOf(state));
  byId("name").hidden = titleOf(state) === state.job;
  const isActive = state.status === "queued" || state.status === "running";
  byId("work").hidden = !isActive;
  if (isActive) showWork(state);
  ({done: showDone, failed: showFailed})[state.status]?.(state);
}

// While it runs

function showWork(state) {
  const at = STAGES.indexOf(state.stage);
  byId("steps").replaceChildren(...STAGES.map((stage, index) =>
    h("li", {class: index < at ? "past" : index === at ? "now" : "later"}, t(`common.stage_${stage}`))));
  const progress = byId("progress");
  progress.firstElementChild.style.width = `${state.progress}%`;
  progress.setAttribute("aria-valuenow", state.progress);
  const left = state.eta_seconds ? t("job.eta", {time: duration(state.eta_seconds)}) : null;
  const name = state.status === "running" ? `${state.progress} %` : t("common.status_queued");
  setText(byId("stage"), [name, left].filter(Boolean).join(" · "));
  const isOpen = Boolean(state.links.text);
  byId("more").hidden = !isOpen;
  byId("steps").hidden = byId("progress").hidden = byId("stage").hidden = isOpen;  // nobody knows how far it is
}

/** Ask an open stream something: `text`, `stop` or `end`. */
async function ask(kind, text) {
  setText(byId("more-problem"), "");
  try {
    await askStream(given.job.job, kind, text);
    if (kind === "text") byId("more-text").value = "";
  } catch (error) {
    setText(byId("more-problem"), error.message);
  }
}

byId("more").addEventListener("submit", event => {
  event.preventDefault();
  ask("text", byId("more-text").value);
});
byId("more-stop").addEventListener("click", () => ask("stop"));
byId("more-end").addEventListener("click", () => ask("end"));

function watchStream() {
  if (player) return;
  const video = h("video", {controls: true, playsinline: true, "aria-label": t("job.video")});
  const screen = byId("screen");
  const start = h("button", {class: "start", "aria-label": t("common.play"), onclick: () => player.play()}, "▶");
  screen.className = "screen";
  screen.replaceChildren(video);
  let pieces = {ends: [], total: 0, ended: false};
  const draw = () => showPieces(pieces, video.currentTime);
  video.addEventListener("timeupdate", draw);
  video.addEventListener("play", () => start.remove());
  player = new StreamPlayer(video, given.job.job, {
    blocked: () => screen.append(start),
    pieces: found => {
      pieces = found;
      draw();
    },
    failed: () => setText(byId("pieces-text"), t("job.stream_failed")),
  });
  screen.hidden = byId("stream").hidden = false;
  draw();
  player.start();
}

function showPieces({ends, total, ended, isOpen}, seconds) {
  if (isOpen) {  // it has too many
    setText(byId("pieces-text"), t(ended ? "job.open_ended" : "job.open"));
    return;
  }
  const played = ends.filter((_, index) => (ends[index - 1] ?? 0) < seconds).length;
  drawPieces(byId("pieces"), {total, ready: ends.length, played});
  const values = {n: formatted(ends.length), total: formatted(total)};
  setText(byId("pieces-text"), t(ended ? "job.pieces_all" : ends.length ? "job.pieces" : "job.pieces_wait", values));
}

byId("cancel").addEventListener("click", async event => {
  const button = event.currentTarget;
  button.disabled = true;
  try {
    await cancel(given.job.job);
  } catch (error) {
    button.disabled = false;
    if (error.code !== "ended") byId("failure").replaceChildren(problemCard(error));
  }
});

// When it has ended

function showDone(state) {
  const {report} = state;
  byId("failure").replaceChildren();
  if (!player && state.links.video) {
    const video = h("video", {controls: true, playsinline: true, preload: "metadata", "aria-label": t("job.video")});
    showVideo(video, state);
    byId("screen").replaceChildren(video);
    byId("screen").hidden = false;
  }
  showActions(state);
  byId("facts").replaceChildren(...[
    report.cached ? h("p", {class: "notice"}, t("job.reused")) : null, warnings(report),
    list(t("job.times"), times(report)), list(t("job.about"), about(report)), transcript(report, go),
  ].filter(Boolean));
  showTimeline(state);
}

/** Play the video from a sentence on. */
function go(seconds) {
  const video = byId("screen").querySelector("video");
  video.currentTime = seconds;
  video.play().catch(() => {});
}

function showTimeline({report, links}) {
  byId("report").href = links.report;
  byId("timeline").hidden = !report.runs?.length;
  if (report.runs?.length) byId("chart").replaceChildren(timeline(report));
}

function showActions({job, links, report}) {
  const share = h("button", {onclick: () => copy(location.origin + location.pathname, share)}, t("common.share"));
  byId("actions").replaceChildren(...[
    links.video ? h("a", {class: "button primary", href: links.video, download: `${job}.mp4`}, t("common.download")) : null,
    share,
    ...report.captions.map(name => name.split(".").at(-1)).filter(kind => links[kind]).map(kind =>
      h("a", {class: "button", href: links[kind], download: `${job}.${kind}`}, t("job.captions_file", {kind: kind.toUpperCase()}))),
    ...(report.extras ?? []).filter(({kind}) => links[kind]).map(({kind, file}) =>
      h("a", {class: "button", href: links[kind], download: file}, file.slice(job.length + 1))),
  ].filter(Boolean));
}

function showFailed(state) {
  const {error, attempts} = state.report;
  const card = problemCard(failure(state));
  const facts = [[t("job.failed_in"), error.stage ? t(`common.stage_${error.stage}`) : "–"], [t("job.attempts"), formatted(attempts)]];
  card.append(h("p", {class: "small dim"}, facts.map(pair => pair.join(": ")).join(" · ")),
    h("p", {class: "small"}, t("job.retry", {name: state.job})));
  byId("failure").replaceChildren(card);
  showTimeline(state);
  if (player) player.stop();
  else byId("screen").hidden = true;
}

// Start

const hasEnded = status => status === "done" || status === "failed";

function ended(state) {
  setText(byId("announcer"), t(`job.announce_${state.status}`));
  show(state);
}

show(given.job);
if (!hasEnded(given.job.status)) {
  if (given.job.links.stream) watchStream();
  follow(given.job.job, {
    progress: show,
    segment: watchStream,
    done: ended,
    failed: ended,
    gone: error => byId("failure").replaceChildren(problemCard(error)),
    lost: isLost => { byId("connection").hidden = !isLost; },
  });
}
