// The page: a column for each person, their connections, and what the buttons and keys do.

import { Chart } from "./chart.js";
import { PlainClient, SocketIoClient } from "./clients.js";
import { Column } from "./column.js";
import * as demo from "./demo.js";
import { button, note } from "./dom.js";
import { Ledger } from "./ledger.js";
import { boardToken, everybody, isDemo } from "./people.js";

const RETRY_MS = 2000;
const SECOND_MS = 1050;
const CLIENTS = { socketio: SocketIoClient, plain: PlainClient };

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const at = (id) => document.getElementById(id);
const chart = new Chart(at("chart"), at("figures"));
const columns = [];
let trouble = null;

const ledger = new Ledger(boardToken, {
  withheld: (column, { event, audience }, because) => column.withheld(event, because, audience),
  judged: (column, entry, by) =>
    column.received({ ...entry.event, frame: entry.frame }, "judged").explain({ ...entry, by, ms: null, isCaughtUp: false }),
  measured: ({ protocol }, ms) => chart.add(protocol, ms),
  trouble: tell,
});

async function start() {
  let people;
  try {
    people = await everybody();
  } catch (error) {
    tell(`The service does not answer (${error.message}). Trying again.`);
    return setTimeout(start, RETRY_MS);
  }
  tell(null);
  for (const person of people) stand(person);
  if (isDemo) at("pizzeria").hidden = false;
  else at("people").append(judgedForm());
  ledger.follow();
}

function stand(person) {
  const isFirst = columns.length === 0;
  const column = new Column(person, { advance: isDemo && isFirst ? demo.advance : null });
  columns.push(column);
  at("board").append(column.element);
  at("people").append(link(person, columns.length));
  const clients = person.clients.map((protocol) => connect(column, protocol));
  addActions(column, clients);
}

function link({ id, name }, number) {
  const link = document.createElement("a");
  link.href = `#column-${id}`;
  link.lang = "ru";
  link.textContent = name;
  link.setAttribute("aria-keyshortcuts", number);
  link.addEventListener("click", (event) => {
    event.preventDefault();
    visit(number);
  });
  return link;
}

function connect(column, protocol) {
  const { person } = column;
  const connection = { column, protocol, keys: person.keys };
  ledger.add(connection);
  const state = column.connection(protocol);
  state("connecting", "wait");
  const way = column.person.clients.length > 1 ? `${person.name}, ${protocol === "plain" ? "WebSocket" : "Socket.IO"}` : person.name;
  const client = new CLIENTS[protocol](person.token, {
    state,
    event: (event) => ledger.arrived(connection, event, column.received(event, protocol)),
    live: (resumed) => {
      column.element.classList.remove("is-out");
      if (!resumed) ledger.begun(connection);
      if (resumed !== null) ledger.resumed(connection, (caughtUp, missing) => note(resumption(way, resumed, caughtUp, missing)));
    },
    status: ({ gap, stale_since: since }) => {
      if (gap) note(`${way}: something is missing (${gap}).`);
      if (!gap) state(since ? "live, but Kafka stands still" : "live", since ? "wait" : "live");
    },
    refused: (reason) => {
      column.element.classList.add("is-out");
      note(`${way}: shut out, ${reason}.`);
    },
  });
  return { client, protocol, way };
}

function resumption(way, resumed, caughtUp, missing) {
  const events = (number) => (number === 1 ? "1 event" : `${number} events`);
  const what = caughtUp === 0 ? "nothing had been missed" : `${events(caughtUp)} caught up`;
  const rest = missing > 0 ? `, ${missing} still to come` : "";
  return `${way}: back, ${resumed ? "resumed" : "not resumed"}, ${what}${rest}.`;
}

function addActions(column, clients) {
  const { person } = column;
  if (clients.length === 0) return;
  column.action("Cut", `Cuts ${person.name}’s connections; they come back and go on where they were`, () => {
    for (const { client } of clients) client.cut();
    note(`${person.name}: cut.`);
  }).className = "cut";
  const plain = clients.find(({ protocol }) => protocol === "plain");
  if (plain) column.action("Reuse ticket", "Shows the ticket of this connection a second time", () => reuse(plain)).className = "reuse";
  if (!isDemo) return;
  column.action("Revoke", `Ends all of ${person.name}’s logins`, () => demo.revoke(person)).className = "revoke";
  column.action("Sign in again", "Asks for a new token", async () => {
    // A token says in which second it was issued, and those of the second of the revocation are revoked.
    await new Promise((done) => setTimeout(done, SECOND_MS));
    for (const { client } of clients) client.signIn();
  }).className = "again";
}

async function reuse({ client, way }) {
  const { code, reason } = await client.reuseTicket();
  note(`${way}: the ticket, shown a second time, is answered ${code} “${reason}”`);
}

// Elsewhere than in a demo nobody has others' tokens; but the service says what would reach somebody with these keys.
function judgedForm() {
  const form = document.createElement("form");
  form.className = "judged";
  const input = document.createElement("input");
  Object.assign(input, { placeholder: "store:7  user:4920…", required: true });
  input.setAttribute("aria-label", "Keys of somebody else, with blanks between");
  form.append(input, button("Add a column", "Shows what would reach somebody with these keys"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    judge(input.value.trim().split(/\s+/));
    input.value = "";
  });
  return form;
}

function judge(keys) {
  const number = columns.length + 1;
  const person = { id: `judged-${number}`, name: keys.join(" "), is: "judged by the service, not connected", clients: [], keys };
  stand(person);
  const column = columns.at(-1);
  for (const protocol of Object.keys(CLIENTS)) ledger.add({ column, protocol, keys });
}

async function stopKafka() {
  const seconds = await demo.outage();
  if (seconds === 0) return;
  const stop = at("outage");
  const text = stop.textContent;
  chart.outage(seconds * 1000);
  note(`Kafka is stopped for ${seconds} s: connections stay, events wait.`);
  stop.disabled = true;
  for (let left = seconds; left > 0; left -= 1) {
    stop.textContent = `Kafka is back in ${left} s`;
    await new Promise((done) => setTimeout(done, 1000));
  }
  stop.textContent = text;
  stop.disabled = false;
  note("Kafka is back.");
}

function visit(number) {
  const element = columns[number - 1]?.element;
  if (!element) return;
  element.scrollIntoView({ inline: "start", block: "nearest", behavior: calm.matches ? "instant" : "smooth" });
  element.focus({ preventScroll: true });
}

function toggle(id, name) {
  const pressed = document.body.classList.toggle(name);
  at(id).setAttribute("aria-pressed", pressed);
  return pressed;
}

function toggleFrames() {
  const open = toggle("frames", "shows-frames");
  for (const details of document.querySelectorAll(".event:not(.is-withheld) details")) details.open = open;
}

function tell(text) {
  if (text === trouble) return;
  trouble = text;
  at("trouble").textContent = text ?? "";
  at("trouble").hidden = text === null;
}

// Events of one order carry its id; pointing at one shows the others, in all columns.
function highlight(target) {
  const subject = target?.closest?.("[data-subject]")?.dataset.subject;
  for (const element of document.querySelectorAll(".is-same")) element.classList.remove("is-same");
  if (!subject) return;
  for (const element of document.querySelectorAll(`[data-subject="${CSS.escape(subject)}"]`)) element.classList.add("is-same");
}

const KEYS = { n: "new-order", a: "advance", k: "outage", f: "frames", w: "withheld" };

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  if (/^[1-9]$/.test(event.key)) return visit(Number(event.key));
  const pressed = Object.hasOwn(KEYS, event.key) ? at(KEYS[event.key]) : null;
  if (pressed && pressed.checkVisibility()) pressed.click();
}

at("unloaded").remove();
document.body.classList.add("shows-withheld");
at("frames").addEventListener("click", toggleFrames);
at("withheld").addEventListener("click", () => toggle("withheld", "shows-withheld"));
at("new-order").addEventListener("click", () => demo.order(at("whose").value));
at("advance").addEventListener("click", () => demo.advance());
at("outage").addEventListener("click", stopKafka);
document.addEventListener("keydown", press);
document.addEventListener("pointerover", ({ target }) => highlight(target));
document.addEventListener("focusin", ({ target }) => highlight(target));
start();
