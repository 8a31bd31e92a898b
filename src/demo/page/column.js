// A column: who somebody is, how their connections stand, and the events they got, newest on top.
//
// What a payload holds is put in as text and never as markup.

const EVENTS_MAX = 60;

export class Column {
  #events;
  #count;
  #received = 0;
  // Order id -> its number, from the orders that this column has seen: conditions carry the id only.
  #numbers = new Map();

  constructor({ name, is, keys }) {
    this.element = clone("column-template");
    this.#events = this.#part("events");
    this.#count = this.#part("count");
    this.#part("name").textContent = name;
    this.#part("is").textContent = is;
    this.#part("keys").append(...keys.map(keyItem));
  }

  // One more connection of this person: what `clients.js` reports to.
  connection(protocol) {
    const item = clone("connection-template");
    item.querySelector(".protocol").textContent = protocol === "plain" ? "WebSocket" : "Socket.IO";
    const state = (word, kind) => {
      item.querySelector(".state").textContent = word;
      item.dataset.state = kind;
    };
    state("connecting", "wait");
    this.#part("connections").append(item);
    return { state, event: (event) => this.#show(event) };
  }

  #show({ name, payload, frame }) {
    const text = (describe[name] ?? describeUnknown)(payload, this.#numbers);
    const item = clone("event-template");
    for (const part of ["title", "condition", "detail", "cost", "more", "age"]) {
      item.querySelector(`.${part}`).textContent = text[part] ?? "";
    }
    item.querySelector(".event-name").textContent = name;
    item.querySelector(".frame").textContent = frame;
    item.querySelector(".condition").dataset.condition = text.condition ?? "";
    item.dataset.subject = text.subject ?? "";
    item.style.setProperty("--hue", hue(text.subject ?? name));
    this.#events.prepend(item);
    if (this.#events.childElementCount > EVENTS_MAX) this.#events.lastElementChild.remove();
    this.#count.textContent = ++this.#received;
  }

  #part(name) {
    return this.element.querySelector(`.${name}`);
  }
}

// How an event of each name is summed up in a card.
const describe = {
  "order:new": (order, numbers) => {
    numbers.set(order._id, order.number);
    return {
      subject: order._id,
      title: `№ ${order.number}`,
      condition: order.condition,
      detail: order.username,
      cost: money(order.cost),
      more: order.products.map(({ product, number }) => `${product?.title ?? "?"}\u00a0×\u00a0${number}`).join(", "),
      age: age(order.createdAt),
    };
  },
  "order:condition": ({ _id, condition }, numbers) => ({
    subject: _id,
    title: numbers.has(_id) ? `№ ${numbers.get(_id)}` : `…${_id.slice(-6)}`,
    condition,
  }),
  CREATE_PIZZA: (pizza) => ({
    subject: pizza.uuid,
    title: pizza.name,
    detail: `store ${pizza.store_id}, ${pizza.size} cm`,
    cost: money(pizza.price),
    age: age(Date.parse(pizza.created_date)),
  }),
};

function describeUnknown() {
  return {};
}

// From when the record's writer made it to here, Kafka and all; both clocks are this machine's.
function age(since) {
  return `${Math.max(0, Date.now() - since)} ms`;
}

function money(amount) {
  const minimumFractionDigits = Number.isInteger(amount) ? 0 : 2;
  return `${amount.toLocaleString("ru-RU", { minimumFractionDigits })} ₽`;
}

// Long ids are shortened in the middle; the whole key is in the title.
function keyItem(key) {
  const item = document.createElement("li");
  item.textContent = key.length > 22 ? `${key.slice(0, 10)}…${key.slice(-6)}` : key;
  item.title = key;
  return item;
}

function hue(text) {
  let hash = 0;
  for (const character of text) hash = (hash * 31 + character.codePointAt(0)) % 360;
  return hash;
}

function clone(template) {
  return document.getElementById(template).content.firstElementChild.cloneNode(true);
}
