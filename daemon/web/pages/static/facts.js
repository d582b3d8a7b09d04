/** A job's facts as lists, from its timing JSON. */

import {bytes, duration, formatted, h, t} from "./page.js";

const TITLE_CHARACTERS = 160;

/** What a job says, shortened; its name if that is unknown. */
export function saidIn({sentences = [], job}) {
  const said = sentences.map(({text}) => text).join(" ");
  return said.length > TITLE_CHARACTERS ? `${said.slice(0, TITLE_CHARACTERS).replace(/[\s\p{P}]*\s\S*$/u, "")}…` : said || job;
}

/** How long each step took: `[[key, text]]`. */
export function times({cached, timing, mode}) {
  if (cached) return [];
  return [
    ["total", duration(timing.total_seconds)], ["queued", duration(timing.queued_seconds)], ["tts", duration(timing.tts_seconds)],
    ["split", duration(timing.convert_seconds + timing.split_seconds)], ["lipsync", duration(timing.lipsync_seconds)],
    ["merge", duration(timing.merge_seconds)], ["first", duration(timing.first_segment_seconds)],
    mode === "sequential" ? null : ["parallelism", `${formatted(timing.parallelism, 2)}×`],
    timing.real_time_factor > 0 ? ["speed", t("job.faster", {n: formatted(1 / timing.real_time_factor, 1)})] : null,
  ].filter(Boolean);
}

/** What the video is: `[[key, text]]`. */
export function about({audio, video, avatar, scenes, mode, engine, attempts}) {
  const cast = scenes ?? [{avatar, voice: audio.voice}];
  const each = texts => [...new Set(texts)].join(", ");
  return [
    ["length", duration(audio.seconds)], ["picture", `${video.width}×${video.height}, ${t("job.rate", {n: video.fps})}`],
    ["size", bytes(video.bytes)], ["avatar", each(cast.map(one => one.avatar.name))],
    ["voice", each(cast.map(({voice}) => voice ?? t("job.recording")))], scenes ? ["scenes", formatted(scenes.length)] : null,
    ["mode", t(`common.mode_${mode}`)], ["engine", engine], attempts > 1 ? ["attempts", formatted(attempts)] : null,
  ].filter(Boolean);
}

/** Pairs of `[key, text]` as a card; null if there are none. */
export function list(title, pairs) {
  if (!pairs.length) return null;
  return h("section", {class: "card stack"}, h("h2", {}, title),
    h("dl", {class: "numbers"}, pairs.map(([key, text]) => h("div", {}, h("dt", {}, t(`job.${key}`)), h("dd", {}, text)))));
}

/** What the job's author may not expect; null if there is nothing. */
export function warnings({warnings: found = []}) {
  if (!found.length) return null;
  return h("div", {class: "notice"}, h("ul", {class: "warnings"}, found.map(({code, message, hint}) =>
    h("li", {}, h("code", {}, code), ` ${message}`, hint ? h("span", {class: "dim"}, ` – ${hint}`) : null))));
}

/** The sentences, each a button that calls `go` with its start in seconds; null if there are none. */
export function transcript({sentences, scenes}, go) {
  const speaker = ({scene}, before) => scenes && scene !== before?.scene ? `${scenes[scene].avatar.name}: ` : "";
  if (!sentences.length) return null;
  return h("section", {class: "card stack"}, h("h2", {}, t("job.transcript")),
    h("ol", {class: "transcript"}, sentences.map((said, index) =>
      h("li", {}, h("button", {class: "sentence", onclick: () => go(said.start_seconds + 0.001)},
        h("span", {class: "dim small clock"}, timecode(said.start_seconds)),
        h("span", {}, h("span", {class: "dim"}, speaker(said, sentences[index - 1])), said.text))))));
}

/** A position in a video: `1:05`. */
export const timecode = seconds => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
