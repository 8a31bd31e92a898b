// The client by itself: a service of a few lines, and a clock that the tests turn. Against the real service:
// tests/e2e/test_client_library.py, which runs this file too (`node --test clients`).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, mock, test } from "node:test";

import { comeBackAfter, connect } from "./dumbwaiter.js";

const STATUS = { resumed: true, gap: null, stale_since: null };

/** Answers to questions for tickets, in their order; then tickets. */
let answers;
/** The tokens that tickets were asked for with. */
let tokens;
let signals;
let sockets;
let client;
/** What the client has told, `[callback, value]`. */
let told;

class Socket {
  constructor(url) {
    this.asked = Object.fromEntries(new URL(url).searchParams);
    this.url = url;
    sockets.push(this);
  }

  says(event_name, data, cursor) {
    this.onmessage?.({ data: JSON.stringify({ event_name, data, cursor }) });
  }

  ends(code, reason = "") {
    this.onclose?.({ code, reason });
  }

  close() {
    this.isClosed = true;
  }
}

async function answer(_url, { headers: asked, signal }) {
  if (signal.aborted) throw signal.reason;
  tokens.push(asked.Authorization);
  signals.push(signal);
  const given = answers.shift() ?? { status: 200, body: { token: `ticket ${tokens.length}` } };
  if (given instanceof Error) throw given;
  if (given === "never") return new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));
  const headers = new Headers(given.retryAfter ? { "Retry-After": given.retryAfter } : {});
  return { status: given.status, headers, json: async () => given.body };
}

/** Everything that is not waiting for the clock. */
async function settle() {
  for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
}

async function start(options = {}) {
  const names = ["onGap", "onStale", "onStatus", "onCursor", "onState", "onError", "onEnd"];
  const callbacks = Object.fromEntries(names.map((name) => [name, (value) => told.push([name, value])]));
  client = connect({ url: "http://service.example", token: "t", WebSocket: Socket, fetch: answer, ...callbacks, ...options });
  await settle();
  return sockets.at(-1);
}

/** The clock is turned until the next connection is tried, which takes this long. */
async function nextTry(limit = 120_000) {
  const [before, started] = [tokens.length, Date.now()];
  while (tokens.length === before) {
    assert.ok(Date.now() - started < limit, `no new try within ${limit} ms`);
    mock.timers.tick(100);
    await settle();
  }
  return Date.now() - started;
}

const values = (name) => told.filter(([callback]) => callback === name).map(([, value]) => value);

beforeEach(() => {
  [answers, tokens, signals, sockets, told] = [[], [], [], [], []];
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  mock.method(Math, "random", () => 0.999);
});

afterEach(() => {
  client?.close();
  mock.timers.reset();
  mock.restoreAll();
});

test("close codes mean what the document says", () => {
  const page = readFileSync(new URL("../docs/close-codes.md", import.meta.url), "utf8");
  const words = { no: "never", yes: "again", "yes, after some seconds": "later", "with a new token": "new token" };
  const rows = page.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  const codes = rows.filter((cells) => /^\d{4}$/.test(cells[2]));
  assert.ok(codes.length > 10);
  for (const cells of codes) assert.equal(comeBackAfter(Number(cells[2])), words[cells[5]], cells.join(" | "));
  assert.equal(comeBackAfter(1006), "again");
});

test("every connection has a ticket of its own, and shows the newest cursor", async () => {
  const first = await start({ since: "15m", open: true });
  assert.equal(new URL(first.url).protocol, "ws:");
  assert.deepEqual(first.asked, { key: "ticket 1", cursor: "", since: "15m", open: "1" });
  first.says("STATUS", STATUS, "A");
  first.says("CREATE_PIZZA", {}, "B+/=");
  first.says("CREATE_PIZZA", {});
  first.ends(1006);
  await nextTry();
  assert.deepEqual(sockets[1].asked, { key: "ticket 2", cursor: "B+/=", since: "15m", open: "1" });
  assert.deepEqual(values("onCursor"), ["A", "B+/="]);
  assert.deepEqual(values("onState"), ["live", "waiting", "connecting"]);
  assert.deepEqual(tokens, ["Bearer t", "Bearer t"]);
});

test("traces are asked for, and told with their events", async () => {
  const seen = [];
  const on = { CREATE_PIZZA: (pizza, { traceparent }) => seen.push([pizza.uuid, traceparent]) };
  const socket = await start({ traceparent: true, on });
  assert.equal(socket.asked.traceparent, "1");
  socket.onmessage({ data: '{"event_name":"CREATE_PIZZA","data":{"uuid":"1"},"cursor":"A","traceparent":"00-4b-01"}' });
  socket.says("CREATE_PIZZA", { uuid: "2" }, "B");
  assert.deepEqual(seen, [["1", "00-4b-01"], ["2", undefined]]);
});

test("a client of before a reload goes on where it was", async () => {
  assert.equal((await start({ cursor: "A" })).asked.cursor, "A");
  client.close();
  assert.equal((await start({ cursor: null })).asked.cursor, "");
});

test("pauses grow, by a random part, up to half a minute; a good connection begins anew", async () => {
  await start();
  const pauses = [];
  for (let turn = 0; turn < 7; turn += 1) {
    sockets.at(-1).ends(1006);
    await settle();
    pauses.push(Math.ceil((await nextTry()) / 1_000));
  }
  assert.deepEqual(pauses, [1, 2, 4, 8, 16, 30, 30]);

  // Neither a connection that did not hold, nor one that never was, is a good one.
  sockets.at(-1).says("STATUS", STATUS, "A");
  sockets.at(-1).ends(1006);
  await settle();
  assert.ok((await nextTry()) > 20_000);
  mock.timers.tick(15_000);
  await settle();
  assert.ok((await nextTry()) > 20_000);

  sockets.at(-1).says("STATUS", STATUS, "A");
  mock.timers.tick(10_000);
  sockets.at(-1).ends(1012, "Service restart");
  await settle();
  assert.ok((await nextTry()) <= 1_000);

  Math.random.mock.mockImplementation(() => 0);
  sockets.at(-1).ends(1012);
  await settle();
  assert.ok((await nextTry()) <= 100, "as short as chance will have it");
});

test("who is told to come later does, as late as is said", async () => {
  await start();
  sockets[0].ends(1013, "Try again later");
  await settle();
  assert.equal(await nextTry(), 6_000, "two seconds, and a random part of four");
  client.close();

  Math.random.mock.mockImplementation(() => 0);
  told = [];
  await start();
  sockets[2].ends(1013, "Try again later");
  await settle();
  answers = [{ status: 503, retryAfter: "7" }, { status: 404 }];
  const pauses = [await nextTry(), await nextTry(), await nextTry()];
  assert.deepEqual(pauses, [2_000, 7_000, 2_000]);
  assert.match(values("onError")[2].message, /HTTP 404.*address/);
});

test("a token that is refused ends a client that has no other", async () => {
  answers = [{ status: 401 }];
  await start();
  const [error] = values("onEnd");
  assert.deepEqual([error.code, error.status, client.state], ["unauthorized", 401, "ended"]);
  mock.timers.tick(120_000);
  await settle();
  assert.deepEqual([tokens.length, sockets.length], [1, 0]);
});

test("a session that is refused ends the client, one that has run out is tried again", async () => {
  await start({ token: undefined });
  assert.deepEqual(tokens, [undefined]);
  sockets[0].ends(4002, "Token expired");
  await settle();
  answers = [{ status: 401 }];
  await nextTry();
  assert.equal(client.state, "ended");
});

test("a function is asked for a new token, and told that the last one was refused", async () => {
  const asked = [];
  await start({ token: async ({ wasRefused }) => `${asked.push(wasRefused)}` });
  sockets[0].says("STATUS", STATUS, "A");
  sockets[0].ends(4002, "Token expired");
  await settle();
  answers = [{ status: 401 }];
  await nextTry();
  await nextTry();
  assert.deepEqual(tokens, ["Bearer 1", "Bearer 2", "Bearer 3"]);
  sockets[1].says("STATUS", STATUS, "B");
  sockets[1].ends(1006);
  await settle();
  await nextTry();
  assert.deepEqual(asked, [false, true, true, false]);
});

test("the page has its client before anything is asked of it", async () => {
  const states = [];
  const page = connect({
    url: "http://service.example",
    token: () => states.push(page.state) && "t",
    WebSocket: Socket,
    fetch: answer,
  });
  await settle();
  page.close();
  assert.deepEqual(states, ["connecting"]);
});

test("the same token again, or none, is the end", async () => {
  await start({ token: () => "same" });
  sockets[0].ends(4003, "Access revoked");
  await settle();
  mock.timers.tick(1_000);
  await settle();
  assert.match(values("onEnd")[0].message, /refused, and there is no other/);
  assert.equal(tokens.length, 1);

  await start({ token: () => null });
  assert.match(values("onEnd")[1].message, /nobody is logged in/);
});

test("a login that does not answer is asked again", async () => {
  let calls = 0;
  await start({ token: () => ((calls += 1) === 1 ? Promise.reject(new Error("login is down")) : "t") });
  assert.match(values("onError")[0].message, /login is down/);
  await nextTry();
  assert.equal(sockets.length, 1);
});

test("what would end the same way again is not tried again", async () => {
  await start();
  sockets[0].ends(1008, "Too much at once");
  await settle();
  assert.deepEqual([values("onEnd")[0].closeCode, client.state], [1008, "ended"]);
});

test("gaps are told each time, staleness when it changes", async () => {
  const socket = await start();
  const since = "2026-11-22T12:00:07Z";
  socket.says("STATUS", { resumed: false, gap: "too_old", stale_since: since }, "A");
  socket.says("STATUS", { ...STATUS, stale_since: since }, "B");
  socket.says("STATUS", STATUS, "C");
  socket.says("STATUS", { ...STATUS, gap: "recreated" }, "D");
  assert.deepEqual(values("onGap"), ["too_old", "recreated"]);
  assert.deepEqual(values("onStale"), [since, null]);
  assert.equal(values("onStatus").length, 4);
});

test("who does not ask about gaps and errors finds them on the console", async () => {
  const warn = mock.method(console, "warn", () => {});
  const socket = await start({ onGap: undefined, onError: undefined });
  socket.says("STATUS", { resumed: false, gap: "too_old", stale_since: null }, "A");
  socket.ends(4001, "Wrong connection key.");
  await settle();
  const [gap, error] = warn.mock.calls.map(({ arguments: [text] }) => text);
  assert.match(gap, /too_old/);
  assert.match(error, /4001 Wrong connection key\. \(do the instances/);
});

test("an event that nobody waits for, and one whose listener throws, hold up nothing", async () => {
  const thrown = mock.method(console, "error", () => {});
  const seen = [];
  const on = {
    CREATE_PIZZA: (pizza) => {
      seen.push([pizza.uuid, client.cursor]);
      throw new Error("a fault of the page");
    },
  };
  const socket = await start({ on });
  socket.says("STATUS", STATUS, "A");
  socket.says("toString", {}, "B");
  socket.says("CREATE_PIZZA", { uuid: "1" }, "C");
  socket.says("CREATE_PIZZA", { uuid: "2" }, "D");
  assert.deepEqual(seen, [["1", "B"], ["2", "C"]]);
  assert.deepEqual([client.cursor, thrown.mock.callCount()], ["D", 2]);
});

test("a connection that says nothing is given up, and what it still says is not heard", async () => {
  const socket = await start();
  socket.onopen();
  socket.says("STATUS", STATUS, "A");
  mock.timers.tick(599_999);
  socket.says("STATUS", STATUS, "B");
  mock.timers.tick(599_999);
  assert.equal(socket.isClosed, undefined);
  mock.timers.tick(1);
  assert.equal(socket.isClosed, true);
  socket.says("STATUS", STATUS, "C");
  await nextTry();
  assert.equal(sockets[1].asked.cursor, "B");
  assert.equal(values("onError")[0].code, "silence");
});

test("neither a ticket nor an opening is waited for longer than 15 seconds", async () => {
  answers = ["never"];
  await start();
  mock.timers.tick(15_000);
  await settle();
  assert.match(values("onError")[0].message, /no answer in 15 s/);
  await nextTry();
  mock.timers.tick(15_000);
  await settle();
  assert.deepEqual([sockets[0].isClosed, values("onError")[1].code], [true, "silence"]);

  // The service may have to look for what was missed before it says where a client stands.
  await nextTry();
  sockets[1].onopen();
  mock.timers.tick(15_000);
  assert.equal(sockets[1].isClosed, undefined);
});

test("what answers in the service's place is told from it", async () => {
  answers = [{ status: 200, body: { hello: "I am a hotel" } }, new TypeError("Failed to fetch")];
  await start();
  await nextTry();
  await nextTry();
  const messages = values("onError").map(({ message }) => message);
  assert.match(messages[0], /not a ticket/);
  assert.match(messages[1], /Failed to fetch.*web\.origins/);
  assert.equal(sockets.length, 1);
});

test("a closed client stays closed, wherever it was", async () => {
  const socket = await start();
  socket.says("STATUS", STATUS, "A");
  client.close();
  assert.deepEqual([socket.isClosed, client.state], [true, "ended"]);

  answers = ["never"];
  await start();
  const waiting = signals.at(-1);
  client.close();
  assert.equal(waiting.aborted, true, "a question that nobody waits for");

  let giveToken;
  await start({ token: () => new Promise((give) => (giveToken = give)) });
  client.close();
  giveToken("t");

  answers = [{ status: 200, get body() { return client.close(), { token: "ticket" }; } }];
  await start();
  assert.deepEqual([sockets.length, sockets[1].isClosed], [2, true]);

  const other = await start();
  other.ends(1006);
  await settle();
  client.close();

  mock.timers.tick(600_000);
  await settle();
  assert.deepEqual([tokens.length, sockets.length, values("onEnd")], [4, 3, []]);
});

test("when the network is back, nobody waits", async () => {
  const network = new EventTarget();
  globalThis.addEventListener = network.addEventListener.bind(network);
  globalThis.removeEventListener = network.removeEventListener.bind(network);
  try {
    await start();
    for (let turn = 0; turn < 6; turn += 1) {
      sockets.at(-1).ends(1006);
      await settle();
      network.dispatchEvent(new Event("online"));
      await settle();
    }
    assert.equal(sockets.length, 7);
    network.dispatchEvent(new Event("online"));
    assert.equal(sockets[6].isClosed, true, "a connection of another network is none");
    const forgotten = mock.method(globalThis, "removeEventListener");
    client.close();
    assert.equal(forgotten.mock.callCount(), 1);
  } finally {
    client.close();
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
});

test("mistakes of the page are told at once", () => {
  assert.throws(() => connect({ WebSocket: Socket }), /url: undefined/);
  assert.throws(() => connect({ url: "ws://service.example", WebSocket: Socket }), /expected https/);
  assert.throws(() => connect({ url: "https://service.example", WebSocket: undefined }), /WebSocket.*ws/);
});
