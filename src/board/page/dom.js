// What several parts do to the page.

const NOTES_MAX = 40;

export function clone(template) {
  return document.getElementById(template).content.firstElementChild.cloneNode(true);
}

export function button(text, title, onClick) {
  const element = document.createElement("button");
  element.textContent = text;
  element.title = title;
  element.addEventListener("click", onClick);
  return element;
}

// A function that asks for `work` to be done once before the page is next drawn, however often it is called till then.
// A page that is not seen is not drawn: what waits for it must be bounded.
export function beforeDrawing(work) {
  let isAsked = false;
  const run = () => {
    isAsked = false;
    work();
  };
  return () => {
    if (!isAsked) requestAnimationFrame(run);
    isAsked = true;
  };
}

// Newest on top. The list is a live region, so that those who listen are told the same.
export function note(text) {
  const list = document.getElementById("notes");
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString("en-GB");
  item.append(time, ` ${text}`);
  list.prepend(item);
  if (list.childElementCount > NOTES_MAX) list.lastElementChild.remove();
}
