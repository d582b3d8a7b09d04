/** Shows in the header whether jobs are processed; other modules may listen to the event `lipdrop:health`. */

import {readHealth} from "./api.js";
import {byId, setText, t} from "./page.js";

const EVERY_MS = 5000;
const LABELS = {ok: "ok", degraded: "degraded", paused: "paused", starting: "starting", draining: "draining"};

async function look() {
  if (document.hidden) return;
  let health = null;
  try {
    health = await readHealth();
  } catch { /* shown as offline */ }
  const state = health ? LABELS[health.daemon] ?? "down" : "offline";
  const sign = byId("daemon");
  sign.dataset.state = state;
  sign.title = health?.why ?? "";
  setText(sign.querySelector("span"), t(`common.daemon_${state}`));
  document.dispatchEvent(new CustomEvent("lipdrop:health", {detail: {state, health}}));
}

addEventListener("DOMContentLoaded", look);  // once all modules listen
setInterval(look, EVERY_MS);
document.addEventListener("visibilitychange", look);
