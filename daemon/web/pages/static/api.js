/** The gateway's API. Every failure is a ProblemError with a text that people can read. */

import {hasText, h, t, url} from "./page.js";

/** A refused or failed request. */
export class ProblemError extends Error {
  constructor({detail, code, field = null, hint = null, status = 0, job = null, errors = [{detail, code, field, hint}]}) {
    super(detail);
    Object.assign(this, {code, field, hint, status, job, errors});
  }

  /** Whether no answer came at all. */
  get isOffline() { return this.code === "offline"; }
}

/** Request a path; returns the JSON of the answer, or null if it has none. Raises ProblemError. */
export async function request(path, options = {}) {
  let answer, body = null;
  try {
    answer = await fetch(url(path), {cache: "no-store", ...options});
    if ((answer.headers.get("content-type") ?? "").includes("json")) body = await answer.json();  // it may be cut
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ProblemError({code: "offline", detail: t("common.offline"), hint: t("common.offline_hint")});
  }
  if (answer.status === 401) {
    location.assign(url(`/login?next=${encodeURIComponent(location.pathname + location.search)}`));
  }
  if (answer.ok) return body;
  throw new ProblemError(body?.code ? body : {code: "http", detail: `${answer.status} ${answer.statusText}`, status: answer.status});
}

/** Submit a job; `files` may have `audio` and `portrait`. Returns its state. */
export function submit(job, files = {}) {
  const chosen = Object.entries(files).filter(([, file]) => file);
  if (!chosen.length) {
    return request("/api/jobs", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(job)});
  }
  const form = new FormData();
  form.append("job", JSON.stringify(job));
  for (const [part, file] of chosen) form.append(part, file, file.name);
  return request("/api/jobs", {method: "POST", body: form});
}

/** How the text of a job will be read: `{voice, language, sentences, further}`. */
export const readText = (job, signal) =>
  request("/api/reading", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(job), signal});

/** The latest jobs: `{jobs, next}`. */
export const listJobs = (limit = 20) => request(`/api/jobs?limit=${limit}`);

/** The state of a job. */
export const readJob = name => request(`/api/jobs/${encodeURIComponent(name)}`);

/** Cancel a job. */
export const cancel = name => request(`/api/jobs/${encodeURIComponent(name)}`, {method: "DELETE"});

/** Ask a stream that stays open to say a `text`, to `stop` or to `end`. */
export const askStream = (name, kind, text) => request(`/api/jobs/${encodeURIComponent(name)}/${kind}`,
  {method: "POST", ...(text === undefined ? {} : {headers: {"Content-Type": "application/json"}, body: JSON.stringify({text})})});

/** The daemon's state. */
export const readHealth = () => request("/api/health");

/** The avatars, `[{name, kind, width, height, thumbnail}]`, and the default's name; null if they cannot be listed. */
export async function listAvatars() {
  const found = await optional("/api/avatars");
  if (!found) return null;
  const avatars = Array.isArray(found) ? found : found.avatars;
  return {avatars, default: found.default ?? avatars[0]?.name};
}

/** The voices, `[{voice, language, sample}]`; null if they cannot be listed. */
export async function listVoices(language = null) {
  const found = await optional(`/api/voices${language ? `?language=${encodeURIComponent(language)}` : ""}`);
  return found && (Array.isArray(found) ? found : found.voices);
}

async function optional(path) {
  try {
    return await request(path);
  } catch (error) {
    if (error instanceof ProblemError) return null;
    throw error;
  }
}

/** A text with `code` between backticks, as nodes. */
const withCode = text => text.split("`").map((part, index) => index % 2 ? h("code", {}, part) : part);

/** A problem as elements: for each error what happened, what to do, and a link to its page. */
export function problemCard({errors}) {
  return h("div", {class: "problem"}, errors.map(error => h("div", {}, explained(error))));
}

/** What an error says in the page's language, if that is known. */
export const said = ({code, detail}) => hasText(`common.error_${code}`) ? t(`common.error_${code}`) : detail;

/** A sentence without what is not said: its capital and its full stop. */
const plain = text => text.toLowerCase().replace(/\.$/, "");

function explained(error) {
  const {code, field, hint, detail} = error, isOffline = code === "offline";
  return [
    h("p", {class: "problem-what"}, said(error)),
    detail && plain(said(error)) !== plain(detail) && !isOffline ? h("p", {class: "problem-detail"}, detail) : null,
    hint ? h("p", {class: "problem-hint"}, withCode(hint)) : null,
    code && !isOffline
      ? h("p", {class: "problem-code"},
        h("a", {href: url(`/problems/${encodeURIComponent(code)}`)}, h("code", {}, code)),
        field ? h("span", {}, t("common.field", {field})) : null)
      : null,
  ];
}
