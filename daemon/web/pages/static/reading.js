/** How a text will be read: its sentences as the voice gets them, fetched while the disclosure is open. */

import {ProblemError, problemCard, readText} from "./api.js";
import {languageName} from "./choices.js";
import {byId, formatted, h, setText, t} from "./page.js";

const TYPING_MS = 600;

/** The disclosure of a form; `composed` returns the job of the form, or null if it has no text. */
export class Reading {
  #details = byId("reading");
  #composed;
  #timer = null;
  #asking = null;
  #shown = null;

  constructor(form, composed) {
    this.#composed = composed;
    this.#details.addEventListener("toggle", () => this.#look());
    for (const event of ["input", "change"]) form.addEventListener(event, () => this.#later());
  }

  /** Hide it where a recording speaks. */
  set isHidden(isHidden) {
    this.#details.hidden = isHidden;
    this.#later();
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), TYPING_MS);
  }

  async #look() {
    clearTimeout(this.#timer);
    if (!this.#details.open || this.#details.hidden) return;
    const job = this.#composed(), asked = JSON.stringify(job);
    if (asked === this.#shown) return;
    this.#shown = asked;
    this.#asking?.abort();
    if (!job) return this.#show(t("studio.reading_missing"));
    const asking = this.#asking = new AbortController();
    this.#details.setAttribute("aria-busy", "true");
    try {
      const found = await readText(job, asking.signal);
      this.#show(summary(found), items(found));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ProblemError)) throw error;
      this.#shown = null;  // it may succeed the next time
      this.#show("", [], problemCard(error));
    } finally {
      if (asking === this.#asking) this.#details.removeAttribute("aria-busy");
    }
  }

  #show(text, sentences = [], ...problems) {
    setText(byId("reading-summary"), text);
    byId("reading-sentences").replaceChildren(...sentences);
    byId("reading-problem").replaceChildren(...problems);
  }
}

function summary({voice, language, sentences, further}) {
  const values = {voice, language: languageName(language), n: formatted(sentences.length + further)};
  return t("studio.reading_by", values) + (further ? ` ${t("studio.reading_further", {n: formatted(sentences.length)})}` : "");
}

function items({language, sentences}) {
  let piece = null;
  return sentences.map(sentence => {
    const isFirst = sentence.piece !== piece;
    piece = sentence.piece;
    return h("li", {},
      isFirst ? h("p", {class: "small dim"}, t("studio.reading_part", {n: formatted(piece + 1)})) : null,
      pause(sentence.pause_before),
      h("p", {lang: sentence.language}, sentence.text),
      sentence.spoken !== sentence.text ? h("p", {class: "spoken", lang: sentence.language}, sentence.spoken) : null,
      other(sentence, language),
      pause(sentence.pause_after));
  });
}

const pause = seconds => seconds === null ? null : h("p", {class: "small dim"}, t("studio.reading_pause", {n: formatted(seconds, 1)}));

function other(sentence, language) {
  const own = [sentence.language !== language ? languageName(sentence.language) : null, sentence.voice].filter(Boolean);
  return own.length ? h("p", {class: "small dim"}, own.join(", ")) : null;
}
