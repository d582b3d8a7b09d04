/** The studio: compose a job, and watch the queue and the results. */

import {ProblemError, listJobs, problemCard, submit} from "./api.js";
import {VoiceChoice, chosenAvatar, fillAvatars, remember, remembered} from "./choices.js";
import {Files} from "./files.js";
import {Marks} from "./marks.js";
import {byId, duration, formatted, given, setText, t} from "./page.js";
import {Reading} from "./reading.js";
import {Result} from "./results.js";
import {nameJob} from "./titles.js";

const BUSY_MS = 800;
const IDLE_MS = 4000;
const PAGE_JOBS = 12;
const CHARACTERS_PER_SECOND = 14;

const text = byId("text"), mode = byId("mode"), captions = byId("captions"), poster = byId("poster"), generate = byId("generate");
const refusal = byId("refusal"), results = byId("results"), avatars = byId("avatars");

// Composing

const marks = new Marks(byId("composer"));
const voice = new VoiceChoice(byId("language"), byId("voice"), byId("sample"));
voice.failed = () => refuse(new ProblemError({code: "offline", detail: t("studio.sample_failed")}));

const files = new Files({
  inputs: {audio: byId("audio"), portrait: byId("portrait")},
  list: byId("files"),
  zone: byId("dropzone"),
  changed: chosen => {
    refusal.replaceChildren();
    setText(byId("text-label"), t(chosen.audio ? "studio.transcript" : "studio.text"));
    text.placeholder = t(chosen.audio ? "studio.transcript_placeholder" : "studio.placeholder");
    avatars.classList.toggle("unused", Boolean(chosen.portrait));
    reading.isHidden = Boolean(chosen.audio);
    count();
  },
  refused: file => refuse(new ProblemError({code: null, detail: t("studio.file_unknown", {name: file.name})})),
});

function count() {
  const length = [...text.value.trim()].length, most = given.characters;
  const values = {n: formatted(length), most: formatted(most), time: duration(Math.max(1, Math.round(length / CHARACTERS_PER_SECOND)))};
  byId("count").classList.toggle("over", length > most);
  setText(byId("count"), length > most ? t("studio.count_over", values) : length && !files.chosen.audio ? t("studio.count", values) : "");
}

function refuse(error) {
  refusal.replaceChildren(problemCard(error));
  marks.show(error.errors);
  marks.focus();
}

function composed() {
  const avatar = files.chosen.portrait ? null : chosenAvatar(avatars);
  return {
    ...(files.chosen.audio && !text.value.trim() ? {} : {text: text.value.trim()}),
    ...voice.job,
    ...(avatar ? {avatar} : {}),
    mode: mode.value,
    captions: captions.checked,
    ...(poster.checked ? {extras: ["poster", "preview"]} : {}),
  };
}

async function send() {
  if (generate.disabled) return;
  refusal.replaceChildren();
  marks.clear();
  if (!text.value.trim() && !files.chosen.audio) {
    refuse(new ProblemError({code: null, detail: t("studio.missing")}));
    text.focus();
    return;
  }
  const job = composed(), title = job.text || files.chosen.audio.name;
  generate.disabled = true;
  setText(generate, t("studio.sending"));
  try {
    const state = await submit(job, files.chosen);
    remember({avatar: chosenAvatar(avatars), mode: job.mode, captions: job.captions, poster: poster.checked, ...voice.job, voice: voice.job.voice ?? ""});
    nameJob(state.job, title);
    added(state, job.mode);
  } catch (error) {
    refuse(error);
  } finally {
    generate.disabled = false;
    setText(generate, t("common.generate"));
  }
}

byId("composer").addEventListener("submit", event => {
  event.preventDefault();
  send();
});
addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
});
text.addEventListener("input", () => {
  voice.follow(text.value);
  count();
});
mode.addEventListener("change", showMode);

function showMode() {
  setText(byId("mode-hint"), t(`studio.hint_${mode.value}`));
}

const reading = new Reading(byId("composer"), () => text.value.trim() ? composed() : null);

// The queue and the results

const shown = new Map(), own = new Map();
let limit = PAGE_JOBS, timer = null, isFirst = true;

function added(state, jobMode) {
  own.set(state.job, jobMode);
  announce("queued_job", state.job);
  show([state, ...[...shown.values()].map(result => result.state).filter(({job}) => job !== state.job)]);
  if (matchMedia("(max-width: 960px)").matches) byId("results-title").scrollIntoView();
  look();
}

function announce(key, name) {
  setText(byId("announcer"), t(`studio.${key}`, {name}));
}

function show(states) {
  const present = new Set(states.map(({job}) => job));
  for (const [job, result] of shown) {
    if (present.has(job)) continue;
    result.element.remove();
    shown.delete(job);
  }
  states.forEach((state, index) => {
    if (!shown.has(state.job)) shown.set(state.job, new Result());
    const result = shown.get(state.job);
    const before = result.state?.status;
    result.update(state);
    if (results.children[index] !== result.element) results.insertBefore(result.element, results.children[index] ?? null);
    if (before !== state.status) changed(result, before);
  });
  byId("empty").hidden = states.length > 0;
}

function changed(result, before) {
  const {job, status} = result.state;
  if (own.get(job) === "stream" && status === "running" && !result.isOpen) result.watch();
  if (status !== "done" && status !== "failed") return;
  if (before || own.has(job)) announce(`${status}_job`, job);
  if (status === "done" && own.has(job) && !result.isOpen) {
    for (const other of shown.values()) if (other !== result && other.isOpen && isIdle(other)) other.open(false);
    result.open();
  }
}

const isIdle = result => result.element.querySelector("video")?.paused ?? true;

async function look() {
  clearTimeout(timer);
  let wait = IDLE_MS;
  if (!document.hidden) {
    try {
      const page = await listJobs(limit);
      show(page.jobs);
      byId("more").hidden = !page.next;
      byId("results-problem").replaceChildren();
      const counted = status => page.jobs.filter(job => job.status === status).length;
      const [running, waiting] = [counted("running"), counted("queued")];
      setText(byId("queue"), running + waiting ? t("studio.queue", {running: formatted(running), waiting: formatted(waiting)}) : "");
      if (running + waiting) wait = BUSY_MS;
      if (isFirst) openLatest();
      isFirst = false;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (!byId("results-problem").children.length) byId("results-problem").replaceChildren(problemCard(error));
    }
  }
  clearTimeout(timer);
  timer = setTimeout(look, wait);
}

function openLatest() {
  const latest = [...shown.values()].find(({state}) => state.status === "done");
  if (latest && latest === shown.values().next().value) latest.open();
}

byId("more").addEventListener("click", () => {
  limit = Math.min(100, limit + PAGE_JOBS);
  look();
});
document.addEventListener("visibilitychange", look);

// Start

mode.value = remembered.mode ?? "auto";
captions.checked = remembered.captions ?? true;
poster.checked = remembered.poster ?? false;
setText(byId("shortcut"), t("studio.shortcut", {key: navigator.platform.startsWith("Mac") ? "⌘" : "Ctrl"}));
showMode();
count();
look();
voice.load().then(() => voice.follow(text.value));
fillAvatars(avatars).then(found => { byId("avatar-field").hidden = !found; });
