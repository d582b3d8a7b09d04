/** Shows in the header, and in the page's notices, whether jobs are processed. */

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
  for (const notice of document.querySelectorAll(".lead > .notice")) notice.hidden = notice.dataset.state !== state;
}

look();
setInterval(look, EVERY_MS);
document.addEventListener("visibilitychange", look);
