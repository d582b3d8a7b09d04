/** The choice of avatar, language and voice on pages that do not show the avatars. */

import {listAvatars} from "./api.js";
import {VoiceChoice, remember, remembered} from "./choices.js";
import {byId, h} from "./page.js";

/** The fields `avatar`, `language` and `voice` of a page. */
export class Settings {
  #voice = new VoiceChoice(byId("language"), byId("voice"), null);
  #avatar = byId("avatar");
  #avatars = [];

  /** Load what can be chosen. */
  async load() {
    await Promise.all([this.#loadAvatars(), this.#voice.load()]);
  }

  /** The chosen keys of a job. */
  get job() { return {...this.#voice.job, ...(this.#avatar.value ? {avatar: this.#avatar.value} : {})}; }

  /** URL of a small picture of the chosen avatar; null if there is none. */
  get thumbnail() { return this.#avatars.find(({name}) => name === this.#avatar.value)?.thumbnail ?? null; }

  /** Choose the language in which a text is written. */
  follow(text) { this.#voice.follow(text); }

  /** Remember the choices for the next visit. */
  remember() { remember(this.job); }

  async #loadAvatars() {
    const found = await listAvatars();
    this.#avatars = (found?.avatars ?? []).filter(({usable}) => usable !== false);
    const wanted = [remembered.avatar, found?.default].find(name => this.#avatars.some(avatar => avatar.name === name));
    this.#avatar.replaceChildren(
      ...this.#avatars.map(({name}) => h("option", {value: name, selected: name === wanted}, name)));
    byId("avatar-field").hidden = this.#avatars.length < 2;
  }
}
