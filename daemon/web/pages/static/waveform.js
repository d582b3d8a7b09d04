/** The sound of a video: its waveform with pauses, cuts and sentences, which follows the video and seeks in it. */

import {timecode} from "./facts.js";
import {formatted, h, t} from "./page.js";

const HEIGHT = 100;
/** Sentences closer together than this share of the width would hide each other's text. */
const TEXT_SHARE_MIN = 0.04;

/**
 * `peaks`: the loudest sample of each slice, from 0 to 1; `pauses`: `[start, end]` in seconds; `report`: a timing JSON.
 * `video` may be null.
 */
export function waveform({peaks, pauses}, report, video) {
  const seconds = report.audio.seconds, at = time => `${100 * time / seconds}%`;
  const track = h("div", {class: "wave-track", role: "img", "aria-label": t("report.wave_label", counts(report, pauses))});
  for (const [start, end] of pauses) track.append(placed(h("i", {class: "wave-pause", title: t("report.pause")}), at(start), at(end - start)));
  track.append(drawn(peaks));
  for (const chunk of report.chunks.slice(1)) {
    const title = t("report.cut", {n: formatted(chunk.index + 1), time: formatted(chunk.start_seconds, 2)});
    track.append(placed(h("i", {class: "wave-cut", title}), at(chunk.start_seconds)));
  }
  const head = h("i", {class: "wave-head"});
  track.append(head);
  if (video) follow(video, track, head, seconds);
  return h("div", {class: "wave"}, track, sentences(report, at, seconds, video), scale(seconds, at), legend(report, pauses));
}

function counts({chunks, sentences}, pauses) {
  return {chunks: formatted(chunks.length), pauses: formatted(pauses.length), sentences: formatted(sentences.length)};
}

function placed(element, left, width) {
  element.style.left = left;
  if (width) element.style.width = width;
  return element;
}

/** The waveform as one closed shape, stretched to the width of its box. */
function drawn(peaks) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${Math.max(1, peaks.length - 1)} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const y = (peak, sign) => (HEIGHT / 2 + sign * Math.max(0.6, peak * HEIGHT * 0.47)).toFixed(1);
  const upper = peaks.map((peak, x) => `${x} ${y(peak, -1)}`);
  const lower = peaks.map((peak, x) => `${x} ${y(peak, 1)}`).reverse();
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", `M${[...upper, ...lower].join("L")}Z`);
  svg.append(path);
  return svg;
}

function sentences(report, at, seconds, video) {
  if (!report.sentences.length) return null;
  return h("div", {class: "wave-sentences"}, report.sentences.map(({text, start_seconds: start, end_seconds: end}) => {
    const title = `${timecode(start)} ${text}`, shown = (end - start) / seconds < TEXT_SHARE_MIN ? "" : text;
    return placed(h("button", {class: "wave-sentence", title, "aria-label": title, onclick: () => seek(video, start)}, shown),
      at(start), at(end - start));
  }));
}

function scale(seconds, at) {
  const step = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600].find(size => seconds / size <= 8) ?? 1800;
  const times = Array.from({length: Math.floor(seconds * 0.97 / step) + 1}, (_, number) => number * step);
  return h("div", {class: "wave-scale", "aria-hidden": "true"},
    times.map(time => placed(h("span", {}, seconds < 60 ? formatted(time, step < 1 ? 1 : 0) : timecode(time)), at(time))));
}

function legend(report, pauses) {
  const {chunks, pauses: count} = counts(report, pauses);
  return h("p", {class: "wave-legend small dim"},
    pauses.length ? h("span", {}, h("i", {class: "wave-pause"}), t("report.pauses", {n: count})) : null,
    report.chunks.length > 1 ? h("span", {}, h("i", {class: "wave-cut"}), t("report.cuts", {n: chunks})) : null);
}

function follow(video, track, head, seconds) {
  const draw = () => {
    head.style.left = `${100 * Math.min(video.currentTime, seconds) / seconds}%`;
    if (!video.paused) requestAnimationFrame(draw);
  };
  for (const event of ["play", "timeupdate", "seeked"]) video.addEventListener(event, draw);
  track.addEventListener("click", event => {
    const {left, width} = track.getBoundingClientRect();
    video.currentTime = seconds * (event.clientX - left) / width;
  });
}

function seek(video, seconds) {
  if (!video) return;
  video.currentTime = seconds + 0.001;
  video.play().catch(() => {});
}
