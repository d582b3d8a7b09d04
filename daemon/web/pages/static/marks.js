/** Errors of a job at the fields of the form that it comes from. */

import {said} from "./api.js";
import {h} from "./page.js";

export class Marks {
  #form; #marks = [];

  /** @param {HTMLFormElement} form its fields have the names of the job's keys */
  constructor(form) {
    this.#form = form;
    form.addEventListener("input", ({target}) => this.#remove(({name}) => name === target.name));
  }

  /** Mark the fields of these errors, and no others. @param {{code: string, field: ?string, detail: string}[]} errors */
  show(errors) {
    this.clear();
    for (const error of errors) if (error.field) this.#add(error.field, said(error));
  }

  /** Put the cursor into the first field that is wrong. */
  focus() { this.#marks[0]?.control.focus(); }

  clear() { this.#remove(() => true); }

  #add(name, text) {
    const found = this.#form.elements[name], control = found instanceof RadioNodeList ? found[0] : found;
    const field = control?.closest(".field");
    if (!field || this.#marks.some(mark => mark.name === name)) return;
    const note = h("p", {class: "field-error", id: `${name}-error`}, text), described = control.getAttribute("aria-describedby");
    control.setAttribute("aria-invalid", "true");
    control.setAttribute("aria-describedby", described ? `${note.id} ${described}` : note.id);
    field.append(note);
    this.#marks.push({name, control, note, described});
  }

  #remove(isMeant) {
    for (const {control, note, described} of this.#marks.filter(isMeant)) {
      note.remove();
      control.removeAttribute("aria-invalid");
      if (described) control.setAttribute("aria-describedby", described);
      else control.removeAttribute("aria-describedby");
    }
    this.#marks = this.#marks.filter(mark => !isMeant(mark));
  }
}
