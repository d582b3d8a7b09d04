/** Playing the turns of a speech one after the other without a gap. */

import {hlsLibrary} from "./player.js";
import {joinedPlaylist} from "./turns.js";

const Hls = await hlsLibrary();

/** A turn is heard a little before its first frame is decoded. */
const EARLY_SECONDS = 0.05;

/** How often it is checked whether playback is stuck. */
const CHECK_MS = 500;
/** Less than this is not worth a nudge: it may be the rounded end. */
const TAIL_SECONDS = 0.1;

/** Plays turns with hls.js as a single stream. */
export class JoinedPlayback {
  #video; #turns; #hls;
  /** Requests for the playlist that wait until there is more. */
  #waiting = [];
  #checking = setInterval(() => this.#nudge(), CHECK_MS);
  #lastTime = -1;

  /** @param {HTMLVideoElement} video @param {Turn[]} turns grows @param {() => void} onLost called if it cannot go on */
  constructor(video, turns, onLost) {
    this.#video = video;
    this.#turns = turns;
    this.#hls = new Hls({pLoader: this.#loader(), startPosition: 0, backBufferLength: 60, enableWorker: false});
    this.#hls.on(Hls.Events.ERROR, (_, error) => { if (error.fatal) onLost(); });
    this.#hls.loadSource(new URL("speech.m3u8", location.href).href);  // never requested: our loader answers
    this.#hls.attachMedia(video);
  }

  static get isSupported() { return Hls.isSupported(); }

  /** The turns have grown. */
  grown() { this.#waiting.splice(0).forEach(look => look()); }

  /** Where a turn begins in the video, in seconds. */
  start(turn) {
    return this.#turns.slice(0, this.#turns.indexOf(turn)).reduce((sum, earlier) => sum + earlier.seconds, 0);
  }

  /** The turn that is heard; undefined if there is none. */
  current() {
    const time = this.#video.currentTime + EARLY_SECONDS;
    return this.#turns.findLast(turn => turn.fragments.length && this.start(turn) <= time);
  }

  /** Stop picture and sound at once. */
  stop() {
    clearInterval(this.#checking);
    this.#hls.destroy();
  }

  /**
   * Play a tail that is too short. Chromium, once it ran dry, waits for up to a second of pictures before it goes on,
   * and there may be less. A seek resets that.
   */
  #nudge() {
    const {buffered, currentTime, paused, readyState} = this.#video;
    const ahead = buffered.length ? buffered.end(buffered.length - 1) - currentTime : 0;
    const isStuck = !paused && readyState === HTMLMediaElement.HAVE_CURRENT_DATA && ahead > TAIL_SECONDS;
    if (isStuck && currentTime === this.#lastTime) this.#video.currentTime = currentTime + 0.001;
    this.#lastTime = currentTime;
  }

  /** The class with which hls.js loads playlists: it answers once there is more than in its last answer. */
  #loader() {
    const turns = this.#turns, waiting = this.#waiting;
    let known = "";
    return class {
      context = null;
      stats = {
        aborted: false, loaded: 0, total: 0, retry: 0, chunkCount: 0, bwEstimate: 0,
        loading: {start: 0, first: 0, end: 0}, parsing: {start: 0, end: 0}, buffering: {start: 0, first: 0, end: 0},
      };

      load(context, _, {onSuccess}) {
        this.context = context;
        const look = () => {
          const data = joinedPlaylist(turns);
          if (this.stats.aborted) return;
          if (data === known) {
            waiting.push(look);
            return;
          }
          known = data;
          const now = performance.now();
          this.stats.loading = {start: now, first: now, end: now};
          onSuccess({url: context.url, data, code: 200}, this.stats, context, null);
        };
        queueMicrotask(look);  // an answer must not arrive before `load` returns
      }

      abort() { this.stats.aborted = true; }

      destroy() { this.abort(); }
    };
  }
}

/** Plays turns where the browser itself has to play HLS: each as a video of its own. */
export class SeparatePlayback {
  #video; #turns; #playing = null; #end = new AbortController();

  /** @param {HTMLVideoElement} video @param {Turn[]} turns grows @param {() => void} onLost called if it cannot go on */
  constructor(video, turns, onLost) {
    this.#video = video;
    this.#turns = turns;
    video.addEventListener("ended", () => this.#next(), {signal: this.#end.signal});
    video.addEventListener("error", onLost, {signal: this.#end.signal});
  }

  grown() { if (!this.#playing || this.#video.ended) this.#next(); }

  start() { return 0; }

  current() { return this.#playing ?? undefined; }

  stop() {
    this.#end.abort();
    this.#video.pause();
    this.#video.removeAttribute("src");
    this.#video.load();
  }

  #next() {
    const rest = this.#turns.slice(this.#turns.indexOf(this.#playing) + 1);
    const next = rest.find(turn => turn.fragments.length || !turn.isComplete);
    if (!next?.fragments.length) return;
    this.#playing = next;
    this.#video.src = `${next.folder}index.m3u8`;
    this.#video.play().catch(() => {});
  }
}
