// Thousands of clients of both protocols in one process, each of which keeps books of its own (books.mjs).
//
//   in:   {"town": {..}, "url": .., "clients": [client, ..]}     connects them, at a bounded pace
//         {"rest": true}                                         from now on nobody is slow
//         {"report": count}                                      asks for the sums, if so many events were written
//   out:  {"in": .., "out": [..], "due": .., "lost": .., "told": .., "missing": [..], "gaps": {reason: times}, "doubled": .., ..}
//
//   client: {"protocol": "socketio" | "plain", "token": .., "audience": "staff" | "customer:N" | "store:N",
//            "cursors": bool, "slow": bool}
//
// `lost` is what clients with cursors have not got; it counts down while that still arrives, so it is asked for until it
// is 0 or patience ends; of clients that were told of a gap it is `told`. What others miss within a connection is
// `skipped`. The sums of millions of events take seconds, in which no client of this process can do anything.
// The folder that holds node_modules is the first argument.

import { createInterface } from "node:readline";

import { SUMS } from "./books.mjs";
import { openClient, rest } from "./clients.mjs";
import { isDue, Town } from "./town.mjs";

const CONNECTING_MS = 4;
// Of what is lost and of who is not in, so many are named.
const NAMED_MAX = 20;
const clients = [];
let town;

function start(told) {
  town = new Town(told.town);
  told.clients.forEach((spec, place) => {
    setTimeout(() => clients.push(openClient(town, told.url, spec)), place * CONNECTING_MS);
  });
}

function report(count) {
  const out = clients.filter(({ isIn }) => !isIn).map(({ books }) => books.spec);
  const sums = { in: clients.length - out.length, out: out.slice(0, NAMED_MAX), ...lost(count), gaps: {} };
  for (const name of SUMS) sums[name] = 0;
  for (const { books } of clients) {
    for (const name of SUMS) sums[name] += books[name];
    for (const [reason, times] of Object.entries(books.gaps)) sums.gaps[reason] = (sums.gaps[reason] ?? 0) + times;
  }
  process.stdout.write(JSON.stringify(sums) + "\n");
}

function lost(count) {
  const owed = byAudience();
  const sums = { due: 0, lost: 0, told: 0, missing: [] };
  for (let number = 0; number < count; number += 1) {
    const event = town.event(number);
    for (const audience of ["staff", event?.audience]) {
      for (const { spec, seen, gaps } of owed.get(audience) ?? []) {
        if (!isDue(event, spec)) continue;
        sums.due += 1;
        if (seen.has(number)) continue;
        sums[Object.keys(gaps).length > 0 ? "told" : "lost"] += 1;
        if (sums.missing.length < NAMED_MAX) sums.missing.push({ number, ...event, ...spec });
      }
    }
  }
  return sums;
}

function byAudience() {
  const owed = new Map();
  for (const { books } of clients.filter(({ books }) => books.spec.cursors)) {
    const { audience } = books.spec;
    owed.set(audience, [...(owed.get(audience) ?? []), books]);
  }
  return owed;
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    if ("report" in command) report(command.report);
    else if ("rest" in command) rest();
    else start(command);
  })
  .on("close", () => process.exit(0));
