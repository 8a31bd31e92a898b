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
