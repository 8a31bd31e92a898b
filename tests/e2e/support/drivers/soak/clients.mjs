// The clients of a soak: the official socket.io-client, and plain WebSockets with a ticket for each connection, as a
// browser would use them. All come back whenever they are disconnected; a slow one stops reading now and then, until `rest`.

import { request } from "node:http";
import { createRequire } from "node:module";

import { Books } from "./books.mjs";

const require = createRequire(process.argv[2] + "/");
const { io } = require("socket.io-client");
const { WebSocket } = require("ws");

// Of plain clients, at once: those of a real crowd do not share one machine.
const HANDSHAKES_MAX = 64;
const RECONNECT_MS = [200, 2_000];
// A slow client reads for so long, then takes nothing for so long; the longest is more than the service waits.
const READS_MS = [10_000, 30_000];
const STOPS_MS = [2_000, 40_000];

let isAtRest = false;
let beginRest;
const resting = new Promise((begun) => (beginRest = begun));

export function rest() {
  isAtRest = true;
  beginRest();
}

export function openClient(town, url, spec) {
  const client = spec.protocol === "socketio" ? new SocketIoClient(town, url, spec) : new PlainClient(town, url, spec);
  if (spec.slow) keepStopping(client);
  return client;
}

class SocketIoClient {
  constructor(town, url, { token, ...spec }) {
    this.books = new Books(town, spec);
    this.isIn = false;
    this.socket = io(url, {
      path: "/ws",
      transports: ["websocket"],
      query: spec.cursors ? { recovery: "1" } : {},
      auth: { token },
      forceNew: true,
    });
    this.socket.on("connect", () => this.books.connected(this.socket.recovered));
    this.socket.on("disconnect", () => (this.isIn = false));
    this.socket.on("authorization:ok", () => (this.isIn = true));
    this.socket.on("authorization:error", () => this.books.turnAway());
    this.socket.on("STATUS", ({ gap }) => this.books.gap(gap));
    this.socket.on("order:new", ({ _id }) => this.books.take("order", _id));
    this.socket.on("order:condition", ({ _id }) => this.books.take("condition", _id));
  }

  get webSocket() {
    return this.socket.io.engine?.transport?.ws;
  }
}

class PlainClient {
  constructor(town, url, { token, ...spec }) {
    this.books = new Books(town, spec);
    this.url = url;
    this.token = token;
    this.cursor = "";
    this.isIn = false;
    this.live();
  }

  async live() {
    for (;;) {
      await handshakes.enter();
      let isShaking = true;
      const shaken = () => {
        if (isShaking) handshakes.leave();
        isShaking = false;
      };
      await this.connection(shaken);
      shaken();
      this.isIn = false;
      await pause(between(RECONNECT_MS));
    }
  }

  // Over when the connection is; `shaken` is called once it is open.
  async connection(shaken) {
    const ticket = await fetchTicket(this.url, this.token);
    if (ticket === null) return;
    const { cursors } = this.books.spec;
    const query = `key=${ticket}${cursors ? `&cursor=${encodeURIComponent(this.cursor)}` : ""}`;
    this.webSocket = new WebSocket(`${this.url.replace("http", "ws")}/ws?${query}`, { perMessageDeflate: false });
    this.webSocket.on("error", () => {});
    this.webSocket.on("message", (text) => this.take(JSON.parse(text)));
    this.webSocket.on("open", () => {
      if (!cursors) this.enter();
      shaken();
    });
    await new Promise((resolve) => this.webSocket.on("close", resolve));
  }

  take({ event_name: name, data, cursor }) {
    this.cursor = cursor ?? "";
    if (name === "CREATE_PIZZA") this.books.take("pizza", data.uuid);
    else this.told(data);
  }

  told({ resumed, gap }) {
    if (!this.isIn) this.enter(resumed);
    this.books.gap(gap);
  }

  enter(resumed) {
    this.isIn = true;
    this.books.connected(resumed);
  }
}

async function keepStopping(client) {
  while (!isAtRest) {
    await Promise.race([pause(between(READS_MS)), resting]);
    const webSocket = isAtRest ? null : client.webSocket;
    // One that is being opened cannot be stopped.
    webSocket?.pause();
    await Promise.race([pause(between(STOPS_MS)), resting]);
    webSocket?.resume();
  }
}

// Null where there is none to be had now.
function fetchTicket(url, token) {
  return new Promise((resolve) => {
    const headers = { Authorization: `Bearer ${token}`, Connection: "close" };
    const asked = request(`${url}/api/v1/ws/ticket`, { agent: false, headers, timeout: 20_000 }, async (answer) => {
      let body = "";
      try {
        for await (const part of answer) body += part;
        resolve(answer.statusCode === 200 ? JSON.parse(body).token : null);
      } catch {
        resolve(null);
      }
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(null));
    asked.end();
  });
}

const handshakes = {
  underWay: 0,
  waiting: [],
  async enter() {
    if (this.underWay === HANDSHAKES_MAX) await new Promise((resolve) => this.waiting.push(resolve));
    else this.underWay += 1;
  },
  // A place is handed on, so nobody can slip in between.
  leave() {
    if (this.waiting.length > 0) this.waiting.shift()();
    else this.underWay -= 1;
  },
};

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const between = ([least, most]) => least + Math.random() * (most - least);
