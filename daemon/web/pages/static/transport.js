/** Plays several videos in step: the controls, and whose sound is heard. */

import {timecode} from "./facts.js";
import {InStep} from "./instep.js";
import {formatted, h, t} from "./page.js";

export class Transport {
  /** The controls; hidden until there is something to play. */
  element;

  #play; #position; #time; #sound; #choice; #together = null; #shown = []; #left = new AbortController();

  /** @param {{name: string, title: string}[]} ways what the videos are called; the first one is heard at first */
  constructor(ways) {
    this.#play = h("button", {type: "button", class: "primary icon", id: "play", onclick: () => this.#toggle()});
    this.#position = h("input", {type: "range", id: "position", min: 0, step: 0.04, value: 0, "aria-label": t("comparison.position"),
      oninput: () => this.#together.seek(Number(this.#position.value))});
    this.#time = h("span", {class: "clock small", id: "time"});
    this.#sound = h("select", {id: "sound", onchange: () => this.#listen()},
      ways.map(({name, title}) => h("option", {value: name}, title)), h("option", {value: ""}, t("comparison.silent")));
    this.#choice = h("label", {class: "row small", id: "sound-choice"}, h("span", {}, t("comparison.sound")), this.#sound);
    this.element = h("section", {class: "card transport", id: "transport", "aria-label": t("comparison.transport"), hidden: true},
      this.#play, this.#position, this.#time, this.#choice);
  }

  /** Play these videos from now on. @param {{name: string, video: HTMLVideoElement}[]} shown */
  show(shown) {
    this.#left.abort();
    this.#left = new AbortController();
    this.#shown = shown;
    this.element.hidden = !shown.length;
    this.#choice.hidden = shown.length < 2;
    for (const {video} of shown) {
      video.addEventListener("click", () => this.#toggle(), {signal: this.#left.signal});
      video.addEventListener("loadedmetadata", () => this.#draw(), {signal: this.#left.signal});
    }
    this.#join();
  }

  /** Only one is heard, as two equal voices a few milliseconds apart sound hollow; it leads, as its speed stays the same. */
  #join() {
    this.#together?.close();
    this.#together = null;
    if (!this.#shown.length) return;
    const heard = this.#shown.length > 1 ? this.#sound.value : this.#shown[0].name;
    for (const {name, video} of this.#shown) video.muted = name !== heard;
    const ordered = [...this.#shown].sort((one, other) => (other.name === heard) - (one.name === heard));
    this.#together = new InStep(ordered.map(({video}) => video));
    this.#together.addEventListener("change", () => this.#draw());
    this.#draw();
  }

  #listen() {
    const wasPlaying = this.#together.isPlaying;
    this.#join();
    if (wasPlaying) this.#together.play();
  }

  #toggle() {
    if (this.#together.isPlaying) this.#together.pause();
    else this.#together.play();
  }

  #draw() {
    const {time, isPlaying} = this.#together, duration = this.#together.duration || 0;
    this.#play.dataset.playing = isPlaying;
    this.#play.setAttribute("aria-label", t(isPlaying ? "comparison.pause" : "common.play"));
    this.#position.max = duration;
    this.#position.value = time;
    this.#position.setAttribute("aria-valuetext", t("common.seconds", {n: formatted(time, 2)}));
    this.#time.textContent = `${timecode(time)} / ${timecode(duration)}`;
  }
}
