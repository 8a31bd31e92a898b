// What only a demo has: buttons that make something happen in its pizzeria, to its broker and to its people.

import { note } from "./dom.js";

export async function order(whose) {
  const made = await press("order", { for: whose });
  if (made?.number) note(`Order № ${made.number} is written to Kafka.`);
}

export async function advance(id = null) {
  await press("advance", id ? { order: id } : {});
}

export async function revoke(person) {
  const revoked = await press("revoke", { person: person.id });
  if (revoked) note(`${person.name}: all logins until now are revoked.`);
}

// Gives the seconds that it lasts.
export async function outage() {
  return (await press("outage", {}))?.seconds ?? 0;
}

async function press(button, query) {
  try {
    const response = await fetch(`/demo/${button}?${new URLSearchParams(query)}`, { method: "POST" });
    const answer = await response.json();
    if (response.ok) return answer;
    note(`Not done: ${answer.error}.`);
  } catch (error) {
    note(`The demo does not answer (${error.message}).`);
  }
  return null;
}
