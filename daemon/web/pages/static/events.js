/** Server-sent events of a job, with reconnection. */

import {ProblemError, readJob} from "./api.js";
import {url} from "./page.js";

const RETRY_MS = [500, 1000, 2000, 4000, 8000];

/**
 * Follow a job until it ends. `handlers`: `progress(state)`, `segment({job, piece})`, `done(state)`, `failed(state)`,
 * `gone(error)` if the job does not exist any more, `lost(isLost)` when the connection breaks and when it is back.
 * Returns a function that stops it.
 */
export function follow(name, handlers) {
  let source = null, timer = null, failures = 0, stopped = false;
  const stop = () => { stopped = true; source?.close(); clearTimeout(timer); };

  const connect = () => {
    source = new EventSource(url(`/api/jobs/${encodeURIComponent(name)}/events`));
    source.onopen = () => {
      if (failures) handlers.lost?.(false);
      failures = 0;
    };
    for (const kind of ["progress", "segment", "done", "failed"]) {
      source.addEventListener(kind, event => {
        const ends = kind === "done" || kind === "failed";
        if (ends) stop();
        handlers[kind]?.(JSON.parse(event.data));
      });
    }
    source.onerror = () => {
      if (stopped) return;
      source.close();  // its own retries are endless even if the job is gone
      if (!failures) handlers.lost?.(true);
      timer = setTimeout(retry, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
    };
  };

  const retry = async () => {
    try {
      const state = await readJob(name);
      if (stopped) return;
      if (state.status === "done" || state.status === "failed") {
        stop();
        handlers.lost?.(false);
        handlers[state.status]?.(state);
        return;
      }
    } catch (error) {
      if (error instanceof ProblemError && error.status === 404) {
        stop();
        handlers.gone?.(error);
        return;
      }
    }
    if (!stopped) connect();
  };

  connect();
  return stop;
}
