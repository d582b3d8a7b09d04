/** Videos that a page carries in itself, as text in base64. */

/** A URL of the video in the element with this id. */
export function embeddedVideo(id) {
  const bytes = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), letter => letter.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], {type: "video/mp4"}));
}
