/** Players: finished videos with captions, and streams that play while they are rendered. */

import {t, url, lang} from "./page.js";

const POLL_MS = 250;
const OPEN = /^# piece \d+ of an open stream/m;
const FROM_NOW = {startPosition: -1, liveSyncDuration: 2, backBufferLength: 30};  // a stream may have run for hours

/** Show the video of a job that is done, with captions if it has some. */
export function showVideo(video, state) {
  video.replaceChildren();
  video.src = state.links.video;
  if (state.links.poster) video.poster = state.links.poster;
  if (state.report) reserve(video, state.report.video.width / state.report.video.height);
  if (state.links.vtt) addCaptions(video, state.links.vtt);
}

/** Give a video its size before it is loaded, so that the page does not jump; tall ones fit on the screen. */
function reserve(video, ratio) {
  video.style.aspectRatio = String(ratio);
  video.style.width = `min(100%, ${Math.round(78 * ratio)}vh)`;
  video.style.marginInline = "auto";
}

/** Show captions from a WebVTT file. */
export function addCaptions(video, source) {
  const track = document.createElement("track");
  Object.assign(track, {kind: "captions", src: source, label: t("common.captions"), srclang: lang, default: true});
  video.append(track);
  track.track.mode = "showing";
}

let loading = null;

/** The library hls.js, which is loaded when the first stream is shown. */
export function hlsLibrary() {
  loading ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = url("/static/hls.light.min.js");
    script.onload = () => done(window.Hls);
    script.onerror = failed;
    document.head.append(script);
  });
  return loading;
}

/** Plays a stream from its first piece on, while the rest is rendered. */
export class StreamPlayer {
  #video;
  #source;
  #on;
  #known = "";
  #ended = false;
  #stopped = false;
  #hls = null;
  #cues = null;
  #captionsSeen = new Set();
  #cuesSeen = new Set();

  /**
   * `job`: its name. `on`: `pieces({ends, total, ended})` with the end of each playable piece in seconds and whether the stream is `isOpen`, `blocked()` if
   * the browser wants a click before it plays sound, `failed()` if the stream breaks off.
   */
  constructor(video, job, on = {}) {
    this.#video = video;
    this.#source = url(`/api/jobs/${encodeURIComponent(job)}/stream/index.m3u8`);
    this.#on = on;
  }

  /** Wait for the first piece and play it. Returns when playback was started. */
  async start() {
    const playlist = await this.#firstPlaylist();
    if (this.#stopped) return;
    if (/^# captions/m.test(playlist)) {
      this.#cues = this.#video.addTextTrack("captions", t("common.captions"), lang);
      this.#cues.mode = "showing";
    }
    const Hls = await hlsLibrary();
    if (this.#stopped) return;
    if (Hls.isSupported()) this.#startHls(Hls, OPEN.test(playlist));
    else {
      this.#video.src = this.#source;  // Safari plays HLS natively
      this.#watch();
      this.play();
    }
  }

  /** Play; the browser may want a click first. */
  play() {
    return this.#video.play().catch(() => this.#on.blocked?.());
  }

  /** Stop to load. What was loaded can no longer be played. */
  stop() {
    this.#stopped = true;
    this.#hls?.destroy();
  }

  #startHls(Hls, isOpen) {
    const place = isOpen ? FROM_NOW : {startPosition: 0, backBufferLength: Infinity};
    this.#hls = new Hls({pLoader: this.#patientLoader(Hls), ...place});
    this.#hls.on(Hls.Events.ERROR, (_, error) => {
      if (error.fatal && !this.#stopped) {
        this.stop();
        this.#on.failed?.();
      }
    });
    this.#hls.on(Hls.Events.MANIFEST_PARSED, () => this.play());
    this.#hls.loadSource(this.#source);
    this.#hls.attachMedia(this.#video);
  }

  /** hls.js polls at its own pace, too slowly for the next piece: its requests are answered once the playlist has grown. */
  #patientLoader(Hls) {
    const player = this;
    return class extends Hls.DefaultConfig.loader {
      load(context, config, callbacks) {
        const {onSuccess} = callbacks;
        callbacks.onSuccess = async (response, ...rest) => {
          while (response.data === player.#known && !player.#ended && !player.#stopped) {
            await pause();
            const found = await fetch(player.#source, {cache: "no-store"}).catch(() => null);
            if (!found?.ok) break;  // hls.js retries and handles the error
            response.data = await found.text();
          }
          if (player.#stopped) return;
          player.#read(response.data);
          onSuccess(response, ...rest);
        };
        super.load(context, config, callbacks);
      }
    };
  }

  async #firstPlaylist() {
    while (!this.#stopped) {
      const found = await fetch(this.#source, {cache: "no-store"}).catch(() => null);
      if (found?.status === 200) return found.text();  // 204 or 404: not there yet
      await pause();
    }
    return "";
  }

  async #watch() {
    for (; !this.#ended && !this.#stopped; await pause()) {
      const found = await fetch(this.#source, {cache: "no-store"}).catch(() => null);
      if (found?.status === 200) this.#read(await found.text());
    }
  }

  #read(playlist) {
    this.#known = playlist;
    this.#ended = playlist.includes("#EXT-X-ENDLIST");
    const counts = playlist.match(/^# piece (\d+) of (\d+)/m);
    const ends = new Map();
    let seconds = 0;
    for (const [, length, name] of playlist.matchAll(/#EXTINF:([\d.]+),\s+(\S+)/g)) {
      seconds += +length;
      ends.set(name.split("-")[0], seconds);
      if (this.#cues) this.#addCues(name.replace(".m4s", ".vtt"));
    }
    const found = {ends: [...ends.values()], total: counts ? +counts[2] : ends.size, ended: this.#ended};
    this.#on.pieces?.({...found, isOpen: OPEN.test(playlist)});
  }

  async #addCues(name) {
    if (this.#captionsSeen.has(name)) return;
    this.#captionsSeen.add(name);
    const found = await fetch(this.#source.replace("index.m3u8", name)).catch(() => null);
    if (!found?.ok) return;
    for (const [, from, to, said] of (await found.text()).matchAll(/([\d:.]+) --> ([\d:.]+)\n(.+)/g)) {
      if (this.#cuesSeen.has(from)) continue;  // a sentence appears in every fragment in which it is heard
      this.#cuesSeen.add(from);
      this.#cues.addCue(new VTTCue(clock(from), clock(to), said));
    }
  }
}

const clock = text => text.split(":").reduce((sum, part) => sum * 60 + +part, 0);

const pause = () => new Promise(done => setTimeout(done, POLL_MS));
