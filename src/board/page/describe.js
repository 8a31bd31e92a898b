// What an event says, in a line or a slip: its name and payload in, texts out. Nothing here is markup.

// Conditions in the order of an order's life, with the word that the page has for each.
export const STAGES = new Map([
  ["NEW", "New"],
  ["IN_PROGRESS", "In the kitchen"],
  ["COLLECTED", "Collected"],
  ["IN_THE_WAY", "On the way"],
  ["IS_DELIVERED", "Delivered"],
  ["DONE", "Done"],
  ["REJECT", "Rejected"],
  ["CANCELLED", "Cancelled"],
]);

// Made once: it takes longer than all the rest of a line.
const [WHOLE, FRACTION] = [0, 2].map((minimumFractionDigits) => new Intl.NumberFormat("ru-RU", { minimumFractionDigits }));

// Order id -> its number, from the orders that the page has seen: conditions carry the id only.
const numbers = new Map();
const NUMBERS_MAX = 2000;

const byName = {
  "order:new": (order) => {
    if (numbers.size >= NUMBERS_MAX) numbers.delete(numbers.keys().next().value);
    numbers.set(order._id, order.number);
    return {
      subject: order._id,
      title: `№ ${order.number}`,
      condition: order.condition,
      detail: order.username,
      cost: money(order.cost),
      more: (order.products ?? []).map(({ product, number }) => `${product?.title ?? "?"} × ${number}`).join(", "),
    };
  },
  "order:condition": ({ _id, condition }) => ({
    subject: _id,
    title: numbers.has(_id) ? `№ ${numbers.get(_id)}` : `…${String(_id).slice(-6)}`,
    condition,
  }),
  CREATE_PIZZA: (pizza) => ({
    subject: pizza.uuid,
    title: pizza.name,
    detail: `store ${pizza.store_id}, ${pizza.size} cm`,
    cost: money(pizza.price),
  }),
};

// An event that the page does not know, of another catalog, is shown by its name.
export function describe({ name, payload }) {
  return byName[name]?.(payload) ?? { subject: null, title: name };
}

export function isOrder(name) {
  return name === "order:new" || name === "order:condition";
}

// Long ids are shortened in the middle.
export function short(key) {
  return key.length > 24 ? `${key.slice(0, 11)}…${key.slice(-6)}` : key;
}

export function milliseconds(ms) {
  return ms < 10_000 ? `${Math.max(0, Math.round(ms))} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function money(amount) {
  if (typeof amount !== "number") return "";
  return `${(Number.isInteger(amount) ? WHOLE : FRACTION).format(amount)} ₽`;
}
