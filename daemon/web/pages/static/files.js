/** Files for a job: chosen with buttons, or dropped anywhere on the page. */

import {bytes, given, h, t} from "./page.js";

const CLEAR = "M6.400 5L5 6.400 10.600 12 5 17.600 6.400 19 12 13.400 17.600 19 19 17.600 13.400 12 19 6.400 17.600 5 12 10.600z";

/** Which part of a job a file is: audio, portrait, or null if it is neither. */
export function partOf(file) {
  const suffix = file.name.slice(file.name.lastIndexOf(".")).toLowerCase();
  if (file.type.startsWith("image/") || given.pictures.includes(suffix)) return "portrait";
  return file.type.startsWith("audio/") || given.recordings.includes(suffix) ? "audio" : null;
}

/** The files of a form. Calls `changed(files)` with `{audio, portrait}`, and `refused(file)` for others. */
export class Files {
  #inputs;
  #list;
  #zone;
  #depth = 0;
  #previews = new Map();
  chosen = {audio: null, portrait: null};

  constructor({inputs, list, zone, changed, refused}) {
    Object.assign(this, {changed, refused});
    this.#inputs = inputs;
    this.#list = list;
    this.#zone = zone;
    for (const [part, input] of Object.entries(inputs)) {
      input.addEventListener("change", () => {
        if (input.files[0]) this.set(part, input.files[0]);
        input.value = "";
      });
    }
    this.#listenForDrops();
  }

  /** Choose a file, or none. */
  set(part, file) {
    this.chosen[part] = file;
    this.#draw();
    this.changed(this.chosen);
  }

  #listenForDrops() {
    const hasFiles = event => event.dataTransfer?.types.includes("Files");
    const mark = depth => {
      this.#depth = Math.max(0, depth);
      this.#zone.classList.toggle("dropping", this.#depth > 0);
    };
    addEventListener("dragenter", event => { if (hasFiles(event)) mark(this.#depth + 1); });
    addEventListener("dragleave", event => { if (hasFiles(event)) mark(this.#depth - 1); });
    addEventListener("dragover", event => { if (hasFiles(event)) event.preventDefault(); });
    addEventListener("drop", event => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      mark(0);
      for (const file of event.dataTransfer.files) {
        const part = partOf(file);
        if (part) this.set(part, file);
        else this.refused(file);
      }
    });
  }

  #draw() {
    const chosen = Object.entries(this.chosen).filter(([, file]) => file);
    this.#forgetAllBut(chosen.map(([, file]) => file));
    this.#list.replaceChildren(...chosen.map(([part, file]) => this.#row(part, file)));
  }

  #row(part, file) {
    const remove = () => {
      this.set(part, null);
      this.#inputs[part].focus();
    };
    return h("div", {class: "file"},
      part === "portrait" ? h("img", {src: this.#preview(file), alt: "", onerror: event => event.target.remove()}) : null,
      part === "audio" ? h("audio", {src: this.#preview(file), controls: true, "aria-label": file.name}) : null,
      h("div", {class: "file-name"},
        h("b", {}, t(`studio.file_${part}`)), h("span", {class: "dim small"}, `${file.name} · ${bytes(file.size)}`)),
      h("button", {type: "button", class: "icon", "aria-label": t("studio.file_remove", {name: file.name}), onclick: remove},
        cross()));
  }

  #preview(file) {
    if (!this.#previews.has(file)) this.#previews.set(file, URL.createObjectURL(file));
    return this.#previews.get(file);
  }

  /** Free the previews of files that are no longer chosen; others may still be loading. */
  #forgetAllBut(chosen) {
    for (const [file, preview] of this.#previews) {
      if (chosen.includes(file)) continue;
      URL.revokeObjectURL(preview);
      this.#previews.delete(file);
    }
  }
}

function cross() {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "0 0 24 24");
  picture.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", CLEAR);
  picture.append(path);
  return picture;
}
