/** What jobs say, as their titles: from the timing JSON or, before a job has ended, as this browser sent it. */

const STORE = "lipdrop-titles";
const KEPT = 200;
const CHARACTERS = 160;

const sent = new Map(JSON.parse(localStorage.getItem(STORE) ?? "[]"));

/** Remember what a job says. */
export function nameJob(job, title) {
  sent.set(job, title.slice(0, CHARACTERS));
  localStorage.setItem(STORE, JSON.stringify([...sent].slice(-KEPT)));
}

/** What a job says, or its name if that is unknown. */
export function titleOf(state) {
  const text = state.report?.sentences?.map(sentence => sentence.text).join(" ") || sent.get(state.job) || state.job;
  return text.length > CHARACTERS ? `${text.slice(0, CHARACTERS).replace(/\s+\S*$/, "")}…` : text;
}
