// Drives the official socket.io-client for the tests: commands come as JSON lines on stdin, all that the clients see
// goes as JSON lines to stdout. One process holds every client of a test run, each under a name.
//
//   in:   {"open": name, "url": .., "options": {..}}   {"close": name}
//   out:  {"client": name, "type": "frame", "text": ..}                 a text frame, as it came off the wire
//         {"client": name, "type": "event", "name": .., "args": [..]}   what listeners are called with
//         {"client": name, "type": "connect" | "disconnect" | "connect_error" | "attempt", "detail": ..}
//
// The folder that holds node_modules is the first argument, since this file lies elsewhere.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(process.argv[2] + "/");
const { io } = require("socket.io-client");
// Resolved from socket.io-client's own view, so that it is the very copy that it uses.
const engine = createRequire(require.resolve("socket.io-client"))("engine.io-client");

const clients = new Map();

function tell(client, type, rest = {}) {
  process.stdout.write(JSON.stringify({ client, type, ...rest }) + "\n");
}

// The library hides raw frames. Its transport makes the WebSocket in this one method, for every attempt to connect.
const createSocket = engine.NodeWebSocket.prototype.createSocket;
engine.NodeWebSocket.prototype.createSocket = function (...parameters) {
  const webSocket = createSocket.apply(this, parameters);
  const name = this.opts.testClient;
  webSocket.on("message", (data, isBinary) => {
    tell(name, "frame", isBinary ? { binary: true } : { text: data.toString("utf8") });
  });
  return webSocket;
};

function open({ open: name, url, options }) {
  const socket = io(url, { ...options, forceNew: true, testClient: name });
  socket.onAny((event, ...args) => tell(name, "event", { name: event, args }));
  socket.on("connect", () => tell(name, "connect", { detail: { recovered: socket.recovered } }));
  socket.on("disconnect", (reason) => tell(name, "disconnect", { detail: reason }));
  socket.on("connect_error", (error) => tell(name, "connect_error", { detail: error.message }));
  socket.io.on("reconnect_attempt", (attempt) => tell(name, "attempt", { detail: attempt }));
  clients.set(name, socket);
}

function close({ close: name }) {
  clients.get(name)?.disconnect();
  clients.delete(name);
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    "open" in command ? open(command) : close(command);
  })
  .on("close", () => process.exit(0));
