/** The page on which the avatar says what is being typed. */

import {problemCard} from "./api.js";
import {byId, formatted, h, setText, t} from "./page.js";
import {drawPieces} from "./pieces.js";
import {complete} from "./sentences.js";
import {Settings} from "./settings.js";
import {Speech} from "./speaking.js";

/** Who stops typing for this long wants to hear it, even if the sentence is not complete. */
const PAUSE_MS = 1500;
const DRAW_MS = 100;

const settings = new Settings();
const [text, video, list] = [byId("text"), byId("video"), byId("turns")];
/** @type {Speech | null} */
let speech = null;
let isComposing = false, pause = 0, drawing = 0;

// Speaking

/** Say all that was typed; begins to speak if it does not yet. */
function speak() {
  const typed = text.value.trim();
  if (!typed) return;
  if (!speech || speech.isStopped) begin();
  text.value = "";
  speech.say(typed);
  draw();
}

/** Must be called by a click or a key: browsers allow sound only then. */
function begin() {
  list.replaceChildren();
  settings.remember();
  speech = new Speech(video, settings.job);
  speech.addEventListener("change", draw);
  drawing = setInterval(draw, DRAW_MS);
}

function stop() {
  clearInterval(drawing);
  clearTimeout(pause);
  if (speech && !speech.isStopped) {
    if (speech.firstFrameSeconds !== null) keepPicture();
    speech.stop();
  }
  draw();
}

/** What was seen last stays when the video is gone. */
function keepPicture() {
  const still = byId("still");
  [still.width, still.height] = [video.videoWidth, video.videoHeight];
  still.getContext("2d").drawImage(video, 0, 0);
  still.hidden = false;
  byId("portrait").hidden = true;
}

/** While it speaks, say what is complete of what is being typed. */
function typing() {
  clearTimeout(pause);
  drawButtons();
  if (!speech || speech.isStopped) settings.follow(text.value);
  if (!speech || speech.isStopped || isComposing) return;
  const [ready, rest] = complete(text.value);
  if (ready) {
    text.value = rest;
    speech.say(ready);
  }
  pause = setTimeout(speak, PAUSE_MS);
}

// Drawing

function draw() {
  drawButtons();
  const place = speech && !speech.isStopped ? speech.place : null;
  setText(byId("state"), stateText(place));
  setText(byId("first"), speech?.firstFrameSeconds ? t("realtime.first", {seconds: formatted(speech.firstFrameSeconds, 2)}) : "");
  const caption = place?.turn.captionAt(place.time) ?? "";
  setText(byId("caption"), caption);
  byId("caption").hidden = !caption;
  byId("said").hidden = !speech?.turns.length;
  speech?.turns.forEach((turn, index) => drawTurn(list.children[index] ?? newItem(), turn, place));
}

/** Before it speaks, the avatar is seen as a picture. */
function drawPortrait() {
  const source = settings.thumbnail;
  byId("still").hidden = true;
  byId("portrait").hidden = !source;
  if (source) byId("portrait").src = source;
}

function drawButtons() {
  const isLive = speech !== null && !speech.isStopped;
  byId("speak").disabled = !text.value.trim();
  byId("stop").disabled = !isLive;
  byId("live").dataset.state = isLive ? (speech.firstFrameSeconds === null ? "preparing" : "live") : "idle";
}

function stateText(place) {
  if (!speech) return t("realtime.idle");
  if (speech.isStopped) return t("realtime.stopped");
  if (speech.turns.every(turn => turn.problem)) return t("realtime.idle");
  if (speech.turns.every(turn => turn.problem || speech.isSaid(turn))) return t("realtime.all_said");
  if (!place) return t("realtime.preparing");
  if (speech.isSaid(place.turn) || video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) return t("realtime.waiting");
  return t("realtime.speaking", {piece: place.turn.pieceAt(place.time), total: place.turn.total});
}

function newItem() {
  const item = h("li", {}, h("p"), h("span", {class: "pieces", "aria-hidden": "true"}), h("div", {class: "small dim"}));
  list.append(item);
  return item;
}

function drawTurn(item, turn, place) {
  const [said, pieces, status] = item.children;
  const [state, words] = turnState(turn, place);
  item.dataset.state = state;
  setText(said, turn.text);
  if (turn.problem && !status.firstElementChild) status.replaceChildren(problemCard(turn.problem));
  else if (!turn.problem) setText(status, words);
  const heard = state === "said" ? turn.total : state === "speaking" ? turn.pieceAt(place.time) : 0;
  drawPieces(pieces, {total: turn.total, ready: turn.ready, played: heard});
}

function turnState(turn, place) {
  const ready = t("realtime.ready", {ready: turn.ready, total: turn.total});
  if (turn.problem) return ["failed", t("realtime.failed")];
  if (speech.isSaid(turn)) return ["said", t("realtime.said")];
  if (speech.isStopped) return ["silenced", t("realtime.silenced")];
  if (place?.turn === turn) return ["speaking", ready];
  if (turn.ready) return ["ready", ready];
  return turn.isSent ? ["sent", t("realtime.sent")] : ["next", t("realtime.next")];
}

// The page

byId("composer").addEventListener("submit", event => {
  event.preventDefault();
  speak();
});
byId("stop").addEventListener("click", stop);
text.addEventListener("input", typing);
text.addEventListener("compositionstart", () => { isComposing = true; });
text.addEventListener("compositionend", () => {
  isComposing = false;
  typing();
});
text.addEventListener("keydown", event => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  speak();
});
addEventListener("pagehide", stop);
byId("avatar").addEventListener("change", drawPortrait);
draw();
await settings.load();
drawPortrait();
