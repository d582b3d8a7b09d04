/** What every script of a page needs: its texts, URLs, numbers for people, and elements. */

const data = JSON.parse(document.getElementById("page-data").textContent);

/** The language of the page: en, ru. */
export const lang = data.lang;

/** Values that the server gave this page. */
export const given = data;

/** A URL of the gateway, wherever it is mounted. */
export const url = path => data.root + path;

/** A text in the page's language, with its {placeholders} filled in. */
export function t(key, values = {}) {
  const text = data.texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Whether the page has a text of this key. */
export const hasText = key => key in data.texts;

const number = new Map();

/** A number in the page's language. */
export function formatted(value, digits = 0) {
  if (!number.has(digits)) {
    number.set(digits, new Intl.NumberFormat(lang, {minimumFractionDigits: digits, maximumFractionDigits: digits}));
  }
  return number.get(digits).format(value);
}

/** A length of time: `0.42 s`, `3.1 s`, `48 s`, `2 min 5 s`. */
export function duration(seconds) {
  if (seconds < 60) return t("common.seconds", {n: formatted(seconds, seconds < 1 ? 2 : seconds < 10 ? 1 : 0)});
  const whole = Math.round(seconds);
  return t("common.minutes", {m: formatted(Math.floor(whole / 60)), s: formatted(whole % 60)});
}

/** A file's size. */
export function bytes(count) {
  return count < 1e6 ? t("common.kilobytes", {n: formatted(count / 1e3)}) : t("common.megabytes", {n: formatted(count / 1e6, 1)});
}

const ago = new Intl.RelativeTimeFormat(lang, {numeric: "auto", style: "short"});

/** How long ago a time (RFC 3339) was. */
export function since(time) {
  const seconds = (new Date(time) - Date.now()) / 1000;
  if (seconds > -45) return t("common.now");
  for (const [unit, length, most] of [["minute", 60, 3600], ["hour", 3600, 86400], ["day", 86400, Infinity]]) {
    if (-seconds < most) return ago.format(Math.round(seconds / length), unit);
  }
}

/** An element: `h("a", {href, class: "x", onclick}, "text", child)`. Attributes that are null or false are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element with an id. */
export const byId = id => document.getElementById(id);

/** Replace a text only if it differs, so that screen readers do not repeat it. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Copy a text; says so on the button for a moment. */
export async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // not allowed, or the page was not loaded securely
    prompt(t("common.copy_by_hand"), text);
    return;
  }
  const label = button.querySelector("span") ?? button;
  const before = label.textContent;
  label.textContent = t("common.copied");
  setTimeout(() => { label.textContent = before; }, 1600);
}
