// The page: asks who the people are, makes a column for each, and connects each by the client protocols of theirs.

import { connectPlain, connectSocketIo } from "./clients.js";
import { Column } from "./column.js";

const RETRY_MS = 2000;

const connect = { socketio: connectSocketIo, plain: connectPlain };

async function people() {
  const response = await fetch("/demo/people");
  if (!response.ok) throw new Error(`/demo/people answered ${response.status}`);
  return response.json();
}

// A token of a person's own, new each time: the last one may have expired, or be of a demo that has ended.
async function token(id) {
  return (await people()).find((person) => person.id === id).token;
}

async function start() {
  const trouble = document.getElementById("trouble");
  let everybody;
  try {
    everybody = await people();
  } catch (error) {
    trouble.textContent = `The demo does not answer (${error.message}). Trying again.`;
    trouble.hidden = false;
    setTimeout(start, RETRY_MS);
    return;
  }
  trouble.hidden = true;
  for (const person of everybody) {
    const column = new Column(person);
    document.getElementById("columns").append(column.element);
    for (const protocol of person.clients) {
      connect[protocol](() => token(person.id), column.connection(protocol));
    }
  }
}

// Events of one order carry its id; pointing at one shows the others, in all columns.
function highlight(target) {
  const subject = target?.closest?.(".event")?.dataset.subject;
  for (const event of document.querySelectorAll(".event")) {
    event.classList.toggle("same", subject !== undefined && event.dataset.subject === subject);
  }
}

document.addEventListener("pointerover", ({ target }) => highlight(target));
document.addEventListener("focusin", ({ target }) => highlight(target));
start();
