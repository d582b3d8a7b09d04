/** The list of jobs: the queue with progress, and results with players. */

import {cancel, problemCard} from "./api.js";
import {warnings} from "./facts.js";
import {failure} from "./jobs.js";
import {bytes, copy, duration, formatted, h, setText, since, t, url} from "./page.js";
import {StreamPlayer, showVideo} from "./player.js";
import {titleOf} from "./titles.js";

/** The job's page. */
export const pageOf = job => url(`/jobs/${encodeURIComponent(job)}`);

/** The numbers of a job that is done, as `[label, text]`. */
export function numbersOf(report) {
  const {timing, audio, video} = report;
  const speed = timing.real_time_factor > 0 ? t("studio.faster", {n: formatted(1 / timing.real_time_factor, 1)}) : null;
  return [
    [t("studio.length"), duration(audio.seconds)],
    [t("studio.total"), duration(timing.total_seconds)],
    speed ? [t("studio.speed"), speed] : null,
    [t("studio.size"), bytes(video.bytes)],
  ].filter(Boolean);
}

/** Numbers as an element. */
export const numberList = numbers =>
  h("dl", {class: "numbers"}, numbers.map(([label, text]) => h("div", {}, h("dt", {}, label), h("dd", {}, text))));

/** The poster of a job that is done, which moves while the pointer is on it; null if it has none. */
function thumbnail({links, job}, play) {
  if (!links.poster) return null;
  const picture = h("img", {src: links.poster, alt: "", loading: "lazy"});
  const show = source => () => { picture.src = source; };
  const moves = links.preview && !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const events = moves ? {onpointerenter: show(links.preview), onpointerleave: show(links.poster)} : {};
  return h("button", {class: "thumbnail", "aria-label": `${t("common.play")}: ${job}`, onclick: play, ...events}, picture);
}

/** One job in the list. Updating it does not disturb a video that plays. */
export class Result {
  #state = null;
  #shown = "";
  #player = null;
  #parts;
  isOpen = false;

  constructor() {
    const parts = {
      title: h("a", {class: "result-title"}),
      badge: h("span", {class: "badge"}),
      when: h("span", {class: "dim small"}),
      bar: h("i"),
      stage: h("span", {class: "small dim clock"}),
      video: h("div", {class: "result-video"}),
      body: h("div", {class: "stack tight"}),
    };
    parts.progress = h("div", {class: "progress", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100}, parts.bar);
    parts.work = h("div", {class: "result-work"}, parts.progress, h("div", {class: "row between"}, parts.stage, this.#cancelButton()));
    this.#parts = parts;
    this.element = h("li", {class: "card result"},
      h("div", {class: "result-head"}, parts.title, h("div", {class: "row"}, parts.when, parts.badge)),
      parts.work, parts.video, parts.body);
  }

  get state() { return this.#state; }

  /** Show a job's state. */
  update(state) {
    this.#state = state;
    const {title, badge, when, work} = this.#parts;
    setText(title, titleOf(state));
    title.href = pageOf(state.job);
    badge.dataset.status = state.status;
    setText(badge, t(`common.status_${state.status}`));
    setText(when, state.updated_at ? since(state.updated_at) : "");
    const isActive = state.status === "queued" || state.status === "running";
    work.hidden = !isActive;
    if (isActive) this.#showWork(state);
    const shown = `${state.status} ${state.report?.finished_at ?? ""}`;
    if (shown !== this.#shown) this.#showEnd(state);
    this.#shown = shown;
  }

  /** Show the video, or hide it. */
  open(isOpen = true) {
    if (this.isOpen === isOpen) return;
    this.isOpen = isOpen;
    const {video} = this.#parts;
    if (!isOpen) {
      this.#player?.stop();
      this.#showThumbnail();
    } else if (this.#state.status === "done") {
      const element = h("video", {controls: true, playsinline: true, preload: "metadata", "aria-label": titleOf(this.#state)});
      showVideo(element, this.#state);
      video.replaceChildren(element);
    }
    this.#showEnd(this.#state);
  }

  /** Watch a stream while it is rendered. */
  watch() {
    this.isOpen = true;
    const video = h("video", {controls: true, playsinline: true, "aria-label": titleOf(this.#state)});
    const screen = h("div", {class: "screen", hidden: true}, video);
    const start = h("button", {class: "start", "aria-label": t("common.play"), onclick: () => this.#player.play()}, "▶");
    video.addEventListener("play", () => start.remove());
    this.#player = new StreamPlayer(video, this.#state.job, {
      blocked: () => screen.append(start),
      pieces: () => { screen.hidden = false; },
    });
    this.#parts.video.replaceChildren(screen);
    this.#player.start();
  }

  #showWork(state) {
    const {progress, bar, stage} = this.#parts;
    bar.style.width = `${state.progress}%`;
    progress.setAttribute("aria-valuenow", state.progress);
    progress.setAttribute("aria-label", titleOf(state));
    const name = t(`common.stage_${state.stage ?? "queued"}`);
    const left = state.eta_seconds ? t("studio.eta", {time: duration(state.eta_seconds)}) : null;
    setText(stage, [name, state.status === "running" ? `${state.progress} %` : null, left].filter(Boolean).join(" · "));
  }

  #showEnd(state) {
    if (!this.isOpen) this.#showThumbnail();
    const parts = {done: () => this.#doneParts(state), failed: () => [problemCard(failure(state))]}[state.status]?.() ?? [];
    this.#parts.body.replaceChildren(...parts);
  }

  #showThumbnail() {
    const shown = this.#state.status === "done" ? thumbnail(this.#state, () => this.#toggle()) : null;
    this.#parts.video.replaceChildren(...shown ? [shown] : []);
  }

  #doneParts(state) {
    const {report, links, job} = state;
    const toggle = h("button", {class: "compact", "aria-expanded": this.isOpen, onclick: () => this.#toggle()},
      t(this.isOpen ? "studio.hide" : "common.play"));
    const share = h("button", {class: "compact", onclick: () => copy(new URL(pageOf(job), location).href, share)}, t("common.share"));
    return [
      this.isOpen ? numberList(numbersOf(report)) : h("p", {class: "small dim"}, numbersOf(report).slice(0, 2).map(pair => pair.join(" ")).join(" · ")),
      report.cached ? h("p", {class: "small dim"}, t("studio.reused")) : null,
      warnings(report),
      h("div", {class: "row"}, toggle,
        h("a", {class: "button compact", href: links.video, download: `${job}.mp4`}, t("common.download")), share,
        h("a", {class: "button compact", href: pageOf(job)}, t("common.details"))),
    ].filter(Boolean);
  }

  #toggle() {
    this.open(!this.isOpen);
    this.#parts.body.querySelector("button").focus();
    this.#parts.video.querySelector("video")?.play().catch(() => {});
  }

  #cancelButton() {
    const button = h("button", {class: "compact", onclick: async () => {
      button.disabled = true;
      try {
        await cancel(this.#state.job);
      } catch (error) {
        button.disabled = false;
        if (error.code !== "ended") this.#parts.body.replaceChildren(problemCard(error));
      }
    }}, t("common.cancel"));
    return button;
  }
}
