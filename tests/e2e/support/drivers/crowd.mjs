// Hundreds of the official socket.io-client in one process, which check for themselves what they get and report sums: a line
// of JSON for every event and client would be the bottleneck of a run that measures something else.
//
// Every event of a run has an id `<run><number>` (8 and 16 hex digits) and is due to all staff and to one customer, the one
// whose place is `number % customers`. What has another run's id is passed over.
//
//   in:   {"run": .., "url": .., "staff": [token, ..], "customers": [token, ..]}    connects, at a bounded pace
//         {"report": count}                                                         the sums, of so many events
//   out:  {"joined": clients}                                                       once all are authorized
//         {"connected": .., "due": .., "delivered": .., "lost": .., "doubled": .., "strangers": .., "disordered": ..,
//          "drops": .., "resumed": .., "restarted": .., "resume_ms": [..]}
//
// `lost` counts down while what was due still arrives, so it is asked for until it is 0 or patience ends. Times of a
// resume are from the end of the connection to the CONNECT packet of the next, the library's own waiting included.
// The folder that holds node_modules is the first argument.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { io } = createRequire(process.argv[2] + "/")("socket.io-client");

const CONNECTING_MS = 5;
const clients = [];
let run;

class Client {
  constructor(url, token, isDue) {
    this.isDue = isDue;
    this.seen = new Set();
    this.newest = new Map();
    this.sums = noSums();
    this.resumeMs = [];
    this.isAuthorized = false;
    this.isIn = false;
    this.connects = 0;
    this.socket = io(url, {
      path: "/ws",
      transports: ["websocket"],
      query: { recovery: "1" },
      auth: { token },
      forceNew: true,
    });
    this.socket.on("connect", () => this.connected());
    this.socket.on("disconnect", () => this.dropped());
    this.socket.on("authorization:ok", () => authorized(this));
    this.socket.on("order:new", (order) => this.take("order:new", order));
    this.socket.on("order:condition", (order) => this.take("order:condition", order));
  }

  connected() {
    this.isIn = true;
    this.connects += 1;
    if (this.connects === 1) return;
    this.sums[this.socket.recovered ? "resumed" : "restarted"] += 1;
    this.resumeMs.push(performance.now() - this.droppedAt);
  }

  // The library says so again for a connection that breaks before its CONNECT was answered.
  dropped() {
    if (!this.isIn) return;
    this.isIn = false;
    this.droppedAt = performance.now();
    this.sums.drops += 1;
  }

  take(name, { _id: id }) {
    if (!id.startsWith(run.run)) return;
    const number = parseInt(id.slice(8), 16);
    if (!this.isDue(number)) this.sums.strangers += 1;
    if (this.seen.has(number)) this.sums.doubled += 1;
    this.seen.add(number);
    // A number's topic and partition follow from it, so within both numbers only grow.
    const partition = `${name} ${number % run.partitions}`;
    if (number < (this.newest.get(partition) ?? -1)) this.sums.disordered += 1;
    this.newest.set(partition, number);
  }

  due(count) {
    let due = 0;
    for (let number = 0; number < count; number += 1) due += this.isDue(number) ? 1 : 0;
    return due;
  }
}

function noSums() {
  return { doubled: 0, strangers: 0, disordered: 0, drops: 0, resumed: 0, restarted: 0 };
}

function tell(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

function authorized(client) {
  if (client.isAuthorized) return;
  client.isAuthorized = true;
  const joined = clients.filter(({ isAuthorized }) => isAuthorized).length;
  if (joined === run.staff.length + run.customers.length) tell({ joined });
}

function start(told) {
  run = told;
  const count = run.customers.length;
  const isCustomers = (place) => (number) => number % count === place;
  const all = [
    ...run.staff.map((token) => [token, () => true]),
    ...run.customers.map((token, place) => [token, isCustomers(place)]),
  ];
  all.forEach(([token, isDue], place) => {
    setTimeout(() => clients.push(new Client(run.url, token, isDue)), place * CONNECTING_MS);
  });
}

function report(count) {
  const sums = { connected: 0, due: 0, delivered: 0, lost: 0, ...noSums() };
  const resumeMs = [];
  for (const client of clients) {
    const due = client.due(count);
    const had = [...client.seen].filter((number) => number < count && client.isDue(number)).length;
    sums.connected += client.socket.connected ? 1 : 0;
    sums.due += due;
    sums.delivered += had;
    sums.lost += due - had;
    for (const name of Object.keys(client.sums)) sums[name] += client.sums[name];
    resumeMs.push(...client.resumeMs);
  }
  tell({ ...sums, resume_ms: resumeMs.map(Math.round) });
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    "report" in command ? report(command.report) : start(command);
  })
  .on("close", () => process.exit(0));
