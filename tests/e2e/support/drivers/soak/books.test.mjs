// The judge is judged: whatever a service could do wrong, the books of a client show it. Run by `node --test`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Books, SUMS } from "./books.mjs";
import { isDue, Town } from "./town.mjs";

const RUN = "0badcafe";
const town = new Town({ run: RUN, customers: 20, stores: 10, partitions: 3 });
const customer = { protocol: "socketio", audience: "customer:4", cursors: true };
const staff = { protocol: "socketio", audience: "staff", cursors: true };
const contract = (spec) => ({ ...spec, cursors: false });

// The first `count` orders that are due to a client, as [kind, id].
function orders(spec, count, numbers = Infinity) {
  const found = [];
  for (let number = 0; found.length < count && number < numbers; number += 1) {
    const event = town.event(number);
    if (event?.kind === "order" && event.lane !== null && isDue(event, spec)) found.push(["order", id(event, number)]);
  }
  return found;
}

function id(event, number) {
  return RUN + event.lane.toString(16).padStart(4, "0") + number.toString(16).padStart(12, "0");
}

// What the books say of these deliveries; "-" is a new connection.
function check(spec, deliveries, expected) {
  const books = new Books(town, spec);
  books.connected(true);
  for (const delivery of deliveries) delivery === "-" ? books.connected(true) : books.take(...delivery);
  const sums = Object.fromEntries(SUMS.filter((name) => !["connects", "resumed"].includes(name)).map((name) => [name, books[name]]));
  const none = { doubled: 0, disordered: 0, skipped: 0, strangers: 0, turnedAway: 0, restarted: 0 };
  assert.deepEqual(sums, { ...none, ...expected });
}

const [a, b, c] = orders(customer, 3);

test("what is as promised is not blamed", () => {
  check(customer, [a, b, "-", c], {});
  check(contract(customer), [a, b, c], {});
  check(staff, orders(staff, 100), {});
  check(contract(staff), orders(staff, 100), {});
  // It missed one between two connections, and got one again.
  check(contract(customer), [a, "-", c], {});
  check(contract(customer), [a, "-", a, b], {});
});

test("a double is seen, over all connections of a client with cursors", () => {
  check(customer, [a, b, "-", b, c], { doubled: 1 });
  check(contract(customer), [a, a, b], { doubled: 1 });
});

test("disorder is seen", () => {
  check(customer, [b, a, c], { disordered: 1 });
  check(contract(customer), [a, c, b], { skipped: 1, disordered: 1 });
});

test("a hole within a connection is seen", () => check(contract(customer), [a, c], { skipped: 1 }));

test("another's event is seen", () => {
  const others = orders({ ...customer, audience: "customer:5" }, 1);
  check(customer, [a, ...others], { strangers: 1 });
  check({ ...customer, protocol: "plain" }, [a], { strangers: 1 });
});

test("what is of another run is passed over", () => check(customer, [["order", "f".repeat(24)]], {}));
