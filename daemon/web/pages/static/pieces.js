/** The bar of a stream's pieces: which can be played, and which were. */

import {h} from "./page.js";

/** Draw `total` pieces, of which the first `ready` can be played and the first `played` were. */
export function drawPieces(bar, {total, ready, played}) {
  while (bar.children.length < total) bar.append(h("i"));
  while (bar.children.length > total) bar.lastChild.remove();  // while a stream is cut, its total is the most it can be
  [...bar.children].forEach((piece, index) => {
    piece.classList.toggle("there", index < ready);
    piece.classList.toggle("played", index < played);
  });
}
