/** The turns of a speech: stream jobs, as far as they can be played. */

/** One turn. Its times count from its own beginning, in seconds. */
export class Turn {
  /** @param {string} text @param {string} job its name @param {string} folder absolute URL of its stream, with a slash at the end */
  constructor(text, job, folder) {
    Object.assign(this, {text, job, folder});
    /** @type {{name: string, seconds: number, piece: number}[]} what can be played; pieces count from 1 */
    this.fragments = [];
    /** @type {{start: number, end: number, text: string}[]} the sentences that can be played */
    this.captions = [];
    /** Number of its pieces; 0 until it is known. */
    this.total = 0;
    this.isSent = false;
    /** Whether nothing follows: all of it can be played, or its job failed. */
    this.isComplete = false;
    /** Why its job failed. */
    this.problem = null;
    /** Whether it was over when the speech was stopped. */
    this.isSaid = false;
  }

  /** Number of pieces that can be played. */
  get ready() { return this.fragments.at(-1)?.piece ?? 0; }

  get seconds() { return this.fragments.reduce((sum, fragment) => sum + fragment.seconds, 0); }

  /** The piece that is heard at a time; 0 if there is none. */
  pieceAt(time) {
    let end = 0;
    return (this.fragments.find(fragment => (end += fragment.seconds) > time) ?? this.fragments.at(-1))?.piece ?? 0;
  }

  /** The sentence that is heard at a time; empty in a pause. */
  captionAt(time) { return this.captions.find(({start, end}) => start <= time && time < end)?.text ?? ""; }

  /** Read its playlist again, and the captions of what is new. */
  async refresh() {
    const known = this.fragments.length;
    const answer = await fetch(`${this.folder}index.m3u8`, {cache: "no-store"});
    if (answer.status !== 200) return;  // nothing to play yet
    const playlist = await answer.text();
    this.#read(playlist);
    if (/^# captions/m.test(playlist)) this.fragments.slice(known).forEach(({name}) => this.#addCaptions(name));
  }

  #read(playlist) {
    const found = [...playlist.matchAll(/#EXTINF:([\d.]+),\s+(\S+)/g)];
    for (const [, seconds, name] of found.slice(this.fragments.length)) {
      this.fragments.push({name, seconds: Number(seconds), piece: Number(name.split("-")[0]) + 1});
    }
    this.total = Number(playlist.match(/^# piece \d+ of (\d+)/m)?.[1] ?? 0);
    this.isComplete ||= playlist.includes("#EXT-X-ENDLIST");
  }

  async #addCaptions(fragment) {
    const answer = await fetch(this.folder + fragment.replace(".m4s", ".vtt"));
    for (const [, from, to, escaped] of (await answer.text()).matchAll(/([\d:.]+) --> ([\d:.]+)\n(.+)/g)) {
      const [start, end] = [from, to].map(seconds), {textContent: text} = new VTTCue(0, 0, escaped).getCueAsHTML();
      // A sentence is in the captions of every fragment in which it is heard.
      if (!this.captions.some(known => known.start === start)) this.captions.push({start, end, text});
    }
  }
}

/** The time of a WebVTT clock. */
function seconds(clock) { return clock.split(":").reduce((sum, part) => sum * 60 + Number(part), 0); }

const HEAD = [
  "#EXTM3U",
  "#EXT-X-VERSION:7",
  "#EXT-X-TARGETDURATION:3",
  "#EXT-X-MEDIA-SEQUENCE:0",
  "#EXT-X-PLAYLIST-TYPE:EVENT",
  "#EXT-X-INDEPENDENT-SEGMENTS",
  "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES",  // hls.js asks for the next fragment at once, not every three seconds
];

/** Turns as one HLS playlist, which only grows: a turn follows once the one before it is complete. */
export function joinedPlaylist(turns) {
  const lines = [];
  for (const {folder, fragments, isComplete} of turns) {
    if (fragments.length) lines.push("#EXT-X-DISCONTINUITY", `#EXT-X-MAP:URI="${folder}init.mp4"`);
    for (const {name, seconds} of fragments) lines.push(`#EXTINF:${seconds.toFixed(5)},`, folder + name);
    if (!isComplete) break;
  }
  return lines.length ? [...HEAD, ...lines.slice(1), ""].join("\n") : "";
}
