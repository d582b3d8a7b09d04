/** Speaking: text that keeps coming becomes stream jobs, and these one video. */

import {follow} from "./events.js";
import {cancel, failure, newName, put} from "./jobs.js";
import {url} from "./page.js";
import {JoinedPlayback, SeparatePlayback} from "./playback.js";
import {Turn} from "./turns.js";

/** The last frames of a video are not always reached. */
const END_SECONDS = 0.15;

/** Speaks what it is given until it is stopped. Dispatches `change` when anything is different. */
export class Speech extends EventTarget {
  /** @type {Turn[]} all that is to be said, in order */
  turns = [];
  /** Seconds from the beginning to the first frame that was played; null before. */
  firstFrameSeconds = null;
  isStopped = false;

  #video; #settings; #name = newName("live"); #playback = null;
  /** @type {Turn[]} what the playback knows; fewer than all once it has had to begin again */
  #playable = [];
  #following = new AbortController();

  /** @param {HTMLVideoElement} video @param {object} settings keys of its jobs, such as avatar and language */
  constructor(video, settings) {
    super();
    const began = performance.now();
    this.#video = video;
    this.#settings = settings;
    const played = () => {
      this.firstFrameSeconds = (performance.now() - began) / 1000;
      this.#changed();
    };
    video.addEventListener("playing", () => afterFrame(video, played), {once: true, signal: this.#following.signal});
    this.#play();
  }

  /** Say a text after everything else. */
  say(text) {
    const last = this.turns.at(-1);
    if (last && !last.isSent) last.text += ` ${text}`;
    else this.#add(text);
    this.#changed();
    this.#send();
  }

  /** Fall silent at once and cancel what is not rendered yet. */
  stop() {
    for (const turn of this.turns) turn.isSaid = this.isSaid(turn);
    this.isStopped = true;
    this.#following.abort();
    this.#playback.stop();
    for (const turn of this.turns) {
      if (turn.isSent && !turn.isComplete) cancel(turn.job);
    }
    this.#changed();
  }

  /** The turn that is heard and the time in it; null if there is none. */
  get place() {
    const turn = this.#playback.current();
    return turn ? {turn, time: this.#video.currentTime - this.#playback.start(turn)} : null;
  }

  /** Whether a turn is over. */
  isSaid(turn) {
    const place = this.isStopped ? null : this.place;
    if (!place) return turn.isSaid;
    const [index, current] = [turn, place.turn].map(each => this.turns.indexOf(each));
    return index < current || (index === current && turn.isComplete && place.time > turn.seconds - END_SECONDS);
  }

  #add(text) {
    const job = `${this.#name}-${this.turns.length + 1}`;
    const turn = new Turn(text, job, new URL(url(`/api/jobs/${job}/stream/`), location.href).href);
    this.turns.push(turn);
    this.#playable.push(turn);
  }

  /** Send the next turn, unless another one is being rendered: together they would be late. */
  async #send() {
    const next = this.turns.find(turn => !turn.isSent);
    if (!next || this.isStopped || this.turns.some(turn => turn.isSent && !turn.isComplete)) return;
    next.isSent = true;
    const job = {...this.#settings, text: next.text, mode: "stream", captions: true};
    try {
      await put(next.job, job);
    } catch (problem) {
      this.#fail(next, problem);
      return;
    }
    if (this.isStopped) cancel(next.job);
    else this.#follow(next);
  }

  #follow(turn) {
    const refresh = () => this.#refresh(turn);
    const unfollow = follow(turn.job, {
      segment: refresh,
      done: refresh,
      failed: state => this.#fail(turn, failure(state)),
      gone: problem => this.#fail(turn, problem),
    });
    this.#following.signal.addEventListener("abort", unfollow);
  }

  async #refresh(turn) {
    await turn.refresh().catch(() => {});  // the next event tries again
    if (!this.isStopped) this.#grown();
  }

  #fail(turn, problem) {
    turn.problem = problem;
    turn.isComplete = true;
    this.#grown();
  }

  #grown() {
    this.#playback.grown();
    this.#changed();
    this.#send();
  }

  #play() {
    const Playback = JoinedPlayback.isSupported ? JoinedPlayback : SeparatePlayback;
    this.#playback = new Playback(this.#video, this.#playable, () => this.#playOn());
    this.#video.play().catch(() => {});  // without a click; the browser's own message says so
  }

  /** Skip the turn that can no longer be played, because its job failed or its files are gone. */
  #playOn() {
    if (this.isStopped) return;
    const lost = this.#playback.current() ?? this.#playable[0];
    this.#playback.stop();
    this.#playable = this.#playable.slice(this.#playable.indexOf(lost) + 1);
    this.#play();
    this.#playback.grown();
    this.#changed();
  }

  #changed() { this.dispatchEvent(new Event("change")); }
}

/** Call back when the next frame is shown. */
function afterFrame(video, done) {
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(done);
  else done();
}
