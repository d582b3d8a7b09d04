/** Cutting what is being typed into what can be said already and the rest. */

const SENTENCE_END = /[.!?…。！？]+["'»”’)\]]*(?=\s)|\n/gu;

/** Shorter sentences are said together with the next: "Mr. " is not a sentence. */
const SHORTEST = 12;

/**
 * @param {string} typed
 * @returns {[string, string]} the complete sentences, and what follows them
 */
export function complete(typed) {
  let end = 0;
  for (const match of typed.matchAll(SENTENCE_END)) {
    const behind = match.index + match[0].length;
    if (typed.slice(0, behind).trim().length >= SHORTEST) end = behind;
  }
  return [typed.slice(0, end).trim(), typed.slice(end).trimStart()];
}
