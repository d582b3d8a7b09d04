/** Jobs under names that the page chooses, so that it knows them before the gateway answers. */

import {ProblemError, request} from "./api.js";

/** A name that nobody else uses: the time, so that names sort, and chance. */
export function newName(prefix) {
  const time = new Date().toISOString().replace(/[-:]/g, "").slice(0, 15).replace("T", "-");
  const chance = crypto.getRandomValues(new Uint32Array(1))[0].toString(16).padStart(8, "0");
  return `${prefix}-${time}-${chance}`;
}

/** Submit a job under a name. Raises ProblemError. */
export function put(name, job) {
  return request(`/api/jobs/${name}`, {
    method: "PUT", headers: {"Content-Type": "application/json"}, body: JSON.stringify(job),
  });
}

/** Cancel a job, even if the page is being left; it does not matter if the job has just ended. */
export const cancel = name => request(`/api/jobs/${name}`, {method: "DELETE", keepalive: true}).catch(() => {});

/** The problem of a job that failed, from its state. */
export function failure({report: {error}}) {
  const errors = [error, ...error.further ?? []].map(one => ({...one, detail: one.message}));
  return new ProblemError({...errors[0], errors});
}
