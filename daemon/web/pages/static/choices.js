/** The choices of a job that several pages offer: avatar by picture, language, voice with a sample, remembered. */

import {listAvatars, listVoices} from "./api.js";
import {given, h, lang, t} from "./page.js";

const STORE = "lipdrop-choices";
const names = new Intl.DisplayNames(lang, {type: "language"});

/** What the person chose last time. */
export const remembered = JSON.parse(localStorage.getItem(STORE) ?? "{}");

/** Remember choices for the next visit. */
export function remember(choices) {
  Object.assign(remembered, choices);
  localStorage.setItem(STORE, JSON.stringify(remembered));
}

/** Fill a group of radio buttons with the avatars' pictures. Returns whether there are any. */
export async function fillAvatars(container) {
  const found = await listAvatars();
  if (!found?.avatars.length) return false;
  const usable = found.avatars.filter(avatar => avatar.usable !== false);
  const wanted = usable.some(({name}) => name === remembered.avatar) ? remembered.avatar : found.default;
  container.replaceChildren(...usable.map(({name, thumbnail}) =>
    h("label", {class: "avatar", title: name},
      h("input", {type: "radio", name: "avatar", value: name, checked: name === wanted}),
      thumbnail ? h("img", {src: thumbnail, alt: "", loading: "lazy", width: 92, height: 92}) : h("i", {class: "blank"}),
      h("span", {}, name))));
  return true;
}

/** The name of the avatar that is chosen in a group, or null for the default. */
export const chosenAvatar = container => container.querySelector("input:checked")?.value ?? null;

/** A language's name. */
export function languageName(tag) {
  const name = names.of(tag) ?? tag;
  return name[0].toLocaleUpperCase(lang) + name.slice(1);
}

/** The language that a text is written in, by its letters; null if unclear. */
export function guessedLanguage(text) {
  if (/[әғқңөұүһі]/i.test(text)) return "kk";
  const [cyrillic, latin] = [/[а-яё]/gi, /[a-z]/gi].map(letters => text.match(letters)?.length ?? 0);
  return cyrillic + latin < 3 ? null : cyrillic > latin ? "ru" : "en";
}

/** The selects for language and voice, with a button that plays a sample. */
export class VoiceChoice {
  #language;
  #voice;
  #button;
  #voices = null;
  #audio = new Audio();
  #byHand = false;

  constructor(language, voice, button) {
    Object.assign(this, {failed: () => {}});
    this.#language = language;
    this.#voice = voice;
    this.#button = button;
    language.addEventListener("change", () => { this.#byHand = true; this.#fillVoices(); });
    voice.addEventListener("change", () => this.#stop());
    button?.addEventListener("click", () => this.#toggle());
    for (const event of ["ended", "pause"]) this.#audio.addEventListener(event, () => this.#show(false));
  }

  /** Load the voices. */
  async load() {
    this.#fillLanguages(given.languages);
    this.#voices = await listVoices();
    if (this.#voices?.length) this.#fillLanguages([...new Set(this.#voices.map(({language}) => language))]);
    this.#fillVoices(remembered.voice);
  }

  /** Choose the language in which a text is written, unless the person has chosen one. */
  follow(text) {
    const guess = guessedLanguage(text);
    const option = [...this.#language.options].find(({value}) => value.split("-")[0] === guess);
    if (this.#byHand || !option || option.selected) return;
    this.#language.value = option.value;
    this.#fillVoices();
  }

  /** The chosen keys of a job. */
  get job() {
    const voice = this.#voice.value;
    return {language: this.#language.value, ...(voice ? {voice} : {})};
  }

  #fillLanguages(tags) {
    const kept = this.#language.value || remembered.language || (tags.includes(lang) ? lang : given.language);
    this.#language.replaceChildren(...tags.map(tag => h("option", {value: tag}, languageName(tag))));
    this.#language.value = tags.includes(kept) ? kept : tags[0];
  }

  #fillVoices(wanted = "") {
    this.#stop();
    const own = (this.#voices ?? []).filter(({language}) => language === this.#language.value);
    this.#voice.replaceChildren(
      h("option", {value: ""}, t("common.voice_default")), ...own.map(({voice}) => h("option", {value: voice}, voice)));
    this.#voice.value = own.some(({voice}) => voice === wanted) ? wanted : "";
    if (this.#button) this.#button.hidden = !own.length;
  }

  #toggle() {
    if (!this.#audio.paused) return this.#stop();
    const own = this.#voices.filter(({language}) => language === this.#language.value);
    const chosen = own.find(({voice}) => voice === this.#voice.value) ?? own[0];
    this.#audio.src = chosen.sample;
    this.#show(true);
    this.#audio.play().catch(error => {
      this.#show(false);
      if (error.name !== "AbortError") this.failed(error);
    });
  }

  #stop() {
    this.#audio.pause();
    this.#show(false);
  }

  #show(isPlaying) {
    this.#button?.setAttribute("aria-pressed", isPlaying);
  }
}
