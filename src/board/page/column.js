// A column: who somebody is, how their connections stand, their orders, and the events they got or did not get.
//
// What a payload holds is put in as text and never as markup. Events may come by the thousand, all open orders at first:
// they are drawn together, and those that would be pushed out at once not at all.

import { describe, isOrder, milliseconds, short } from "./describe.js";
import { beforeDrawing, button, clone } from "./dom.js";
import { Slips } from "./slips.js";

const EVENTS_MAX = 80;
const PROTOCOLS = { socketio: "Socket.IO", plain: "WebSocket" };

export class Column {
  #slips;
  #events;
  // Lines that are not drawn yet, oldest first.
  #fresh = [];
  #counts = { received: 0, kept: 0 };
  #draw = beforeDrawing(() => this.#addFresh());

  // `person`: id, name, is, keys; `isJudged`: there is no connection, only what the service says of these keys.
  constructor(person, { advance = null } = {}) {
    Object.assign(this, { person, isJudged: person.clients.length === 0 });
    this.element = clone("column-template");
    this.element.id = `column-${person.id}`;
    const name = this.#part("name");
    name.id = `name-${person.id}`;
    name.textContent = person.name;
    this.element.setAttribute("aria-labelledby", name.id);
    this.element.tabIndex = -1;
    this.#part("is").textContent = person.is;
    this.#part("keys").append(...person.keys.map(keyItem));
    this.#part("slips").setAttribute("aria-label", `Orders of ${person.name}`);
    this.#events = this.#part("events");
    this.#events.setAttribute("aria-label", `Events of ${person.name}`);
    this.#part("actions").setAttribute("aria-label", `What can happen to ${person.name}`);
    this.#slips = new Slips(this.#part("slips"), advance);
  }

  // One more connection of this person: where it shows how it stands.
  connection(protocol) {
    const item = clone("connection-template");
    item.dataset.protocol = protocol;
    item.querySelector(".protocol").textContent = PROTOCOLS[protocol];
    this.#part("connections").append(item);
    return (word, kind) => {
      item.querySelector(".state").textContent = word;
      item.dataset.state = kind;
    };
  }

  action(text, title, onClick) {
    const element = button(text, title, onClick);
    this.#part("actions").append(element);
    return element;
  }

  // An event that has come by a connection; what it gives back can be told more of it.
  received(event, protocol) {
    this.#slips.show(event);
    return this.#add("received", () => {
      const line = written("event-template", event);
      line.dataset.protocol = protocol;
      line.querySelector(".frame").textContent = event.frame;
      line.querySelector("details").open = document.body.classList.contains("shows-frames");
      return line;
    });
  }

  // An event that somebody else gets, and why not this one.
  withheld(event, because, audience) {
    this.#add("kept", () => {
      const line = written("withheld-template", event);
      line.querySelector(".why").textContent = because;
      facts(line, { audience: keyList(audience), holds: keyList(this.person.keys), because });
      return line;
    });
  }

  #add(count, write) {
    const line = new Line(write);
    this.#fresh.push(line);
    if (this.#fresh.length > EVENTS_MAX) this.#fresh.shift();
    this.#counts[count] += 1;
    this.#draw();
    return line;
  }

  #addFresh() {
    this.#events.prepend(...this.#fresh.reverse().map((line) => line.element));
    this.#fresh = [];
    while (this.#events.childElementCount > EVENTS_MAX) this.#events.lastElementChild.remove();
    for (const [count, number] of Object.entries(this.#counts)) this.#part(count).textContent = number;
  }

  #part(name) {
    return this.element.querySelector(`.${name}`);
  }
}

// An event in a column. Until it is drawn it is what `write` makes of it, and what it was told since.
class Line {
  #write;
  #element = null;
  #told = [];

  constructor(write) {
    this.#write = write;
  }

  get element() {
    if (!this.#element) {
      this.#element = this.#write();
      for (const change of this.#told.splice(0)) change(this.#element);
    }
    return this.#element;
  }

  explain({ place, audience, by, ms, isCaughtUp }) {
    this.#tell((element) => {
      if (ms !== null) {
        element.dataset.ms = Math.round(ms);
        element.querySelector(".age").textContent = milliseconds(ms);
      }
      if (isCaughtUp) mark(element, "caught up", "is-caught-up");
      facts(element, { by: keyList(by), audience: keyList(audience), record: place });
    });
  }

  doubt(text) {
    this.#tell((element) => mark(element, text, "is-doubtful"));
  }

  #tell(change) {
    if (this.#element) change(this.#element);
    else this.#told.push(change);
  }
}

function written(template, event) {
  const line = clone(template);
  const text = describe(event);
  line.dataset.name = event.name;
  line.dataset.subject = text.subject ?? "";
  for (const part of ["title", "condition"]) line.querySelector(`.${part}`).textContent = text[part] ?? "";
  line.querySelector(".condition").dataset.condition = text.condition ?? "";
  const detail = isOrder(event.name) ? "" : ` ${text.detail ?? ""}`;
  line.querySelector(".title").textContent += detail;
  const name = line.querySelector(".event-name");
  if (name) name.textContent = event.name;
  return line;
}

function mark(line, text, kind) {
  line.classList.add(kind);
  line.querySelector(".mark").textContent = text;
}

function facts(line, texts) {
  const list = line.querySelector(".facts");
  list.replaceChildren();
  for (const [name, text] of Object.entries(texts)) {
    const [term, definition] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    definition.textContent = text;
    list.append(term, definition);
  }
}

function keyList(keys) {
  return keys.length > 0 ? keys.join("  ") : "no key";
}

function keyItem(key) {
  const item = document.createElement("li");
  item.textContent = short(key);
  item.title = key;
  return item;
}
