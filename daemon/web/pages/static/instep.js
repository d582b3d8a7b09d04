/** Several videos that play in step: the first leads, the others follow its clock. */

/** A follower this far off jumps; a nearer one plays a little faster or slower until it is in step. */
const JUMP_SECONDS = 0.25;
/** Not worth a correction: less than half a frame at 50 frames a second. */
const TOLERANCE_SECONDS = 0.008;
/** A difference is made up for in about this time. */
const CORRECTION_SECONDS = 0.4;
const RATE_CHANGE_MAX = 0.2;

export class InStep extends EventTarget {
  #leader; #followers; #waiting = new Set(); #wanted = false; #end = new AbortController();

  /** @param {HTMLVideoElement[]} videos the first leads; all have loaded their metadata */
  constructor(videos) {
    super();
    [this.#leader, ...this.#followers] = videos;
    const options = {signal: this.#end.signal};
    for (const video of videos) {
      video.addEventListener("waiting", () => this.#hold(video), options);
      for (const event of ["canplay", "seeked"]) video.addEventListener(event, () => this.#release(video), options);
    }
    this.#leader.addEventListener("ended", () => this.pause(), options);
    this.#leader.addEventListener("timeupdate", () => this.#changed(), options);
    this.#tick();
  }

  get isPlaying() { return this.#wanted; }

  get time() { return this.#leader.currentTime; }

  get duration() { return this.#leader.duration; }

  /** How far the followers are behind the leader at most, in seconds. */
  get drift() {
    return Math.max(0, ...this.#followers.map(video => Math.abs(video.currentTime - this.#leader.currentTime)));
  }

  async play() {
    if (this.#leader.ended) for (const video of this.#all) video.currentTime = 0;
    this.#wanted = true;
    this.#changed();
    try {
      await Promise.all(this.#all.map(video => video.play()));
    } catch (error) {
      if (error.name === "NotAllowedError") this.pause();  // else it was paused meanwhile
    }
  }

  pause() {
    this.#wanted = false;
    for (const video of this.#all) video.pause();
    for (const video of this.#followers) video.currentTime = this.time;
    this.#changed();
  }

  /** @param {number} time in seconds */
  seek(time) {
    for (const video of this.#all) video.currentTime = time;
    if (this.#wanted) this.play();  // one that had ended
    this.#changed();
  }

  /** Stop watching the videos. */
  close() {
    this.pause();
    this.#end.abort();
  }

  get #all() { return [this.#leader, ...this.#followers]; }

  #changed() { this.dispatchEvent(new Event("change")); }

  /** One of them has nothing to show yet: the others wait for it. */
  #hold(video) {
    this.#waiting.add(video);
    for (const other of this.#all) if (other !== video) other.pause();
  }

  #release(video) {
    if (this.#waiting.delete(video) && this.#wanted && this.#waiting.size === 0) this.play();
  }

  #tick() {
    if (this.#end.signal.aborted) return;
    if (this.#wanted && !this.#leader.seeking) this.#followers.forEach(video => this.#correct(video));
    requestAnimationFrame(() => this.#tick());
  }

  #correct(video) {
    const behind = this.time - video.currentTime;
    if (Math.abs(behind) > JUMP_SECONDS) {
      if (!video.seeking) video.currentTime = this.time;
    } else {
      const change = Math.abs(behind) < TOLERANCE_SECONDS ? 0 : behind / CORRECTION_SECONDS;
      const rate = 1 + Math.min(Math.max(change, -RATE_CHANGE_MAX), RATE_CHANGE_MAX);
      if (Math.abs(video.playbackRate - rate) > 0.005) video.playbackRate = rate;
    }
  }
}
