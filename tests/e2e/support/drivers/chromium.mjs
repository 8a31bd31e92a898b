// Drives socket.io-client in Chromium: the same conversation as node.mjs, and it opens whole pages too.
//
//   in:   {"open": name, "url": .., "options": {..}}   {"page": name, "html": ..}   {"close": name}
//   out:  as node.mjs; what a page says on its console comes as
//         {"client": name, "type": "event", "name": "console", "args": [text]}
//
// Every client is a tab of its own, on a page that is served on loopback beside the library's own browser build at
// /socket.io.min.js, and the project's own client at /dumbwaiter.js. The arguments are the folder that holds node_modules, and the port of that page.

import { createRequire } from "node:module";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { dirname, join } from "node:path";
import { readFileSync } from "node:fs";
import { goto } from "./goto.mjs";

const require = createRequire(process.argv[2] + "/");
const { chromium } = require("playwright-core");
const SCRIPTS = new Map([
  ["/socket.io.min.js", join(dirname(require.resolve("socket.io-client")), "../../dist/socket.io.min.js")],
  ["/dumbwaiter.js", join(import.meta.dirname, "../../../../clients/dumbwaiter.js")],
]);

const EMPTY_PAGE = '<!doctype html><script src="/socket.io.min.js"></script>';
const pages = new Map();
const tabs = new Map();

function tell(client, type, rest = {}) {
  process.stdout.write(JSON.stringify({ client, type, ...rest }) + "\n");
}

// In the page: there `tell` is the function above.
function connect({ name, url, options }) {
  const socket = io(url, { ...options, forceNew: true });
  socket.onAny((event, ...args) => tell(name, "event", { name: event, args }));
  socket.on("connect", () => tell(name, "connect"));
  socket.on("disconnect", (reason) => tell(name, "disconnect", { detail: reason }));
  socket.on("connect_error", (error) => tell(name, "connect_error", { detail: error.message }));
  socket.io.on("reconnect_attempt", (attempt) => tell(name, "attempt", { detail: attempt }));
}

function serve(request, response) {
  const script = SCRIPTS.get(request.url);
  const body = script ? readFileSync(script) : (pages.get(decodeURIComponent(request.url.slice(1))) ?? EMPTY_PAGE);
  response.setHeader("Content-Type", script ? "text/javascript" : "text/html; charset=utf-8");
  response.end(body);
}

const server = createServer(serve);
await new Promise((listening) => server.listen(Number(process.argv[3]), "127.0.0.1", listening));
const address = `http://127.0.0.1:${server.address().port}`;
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  // The driver of a test run has nothing to ask the network for.
  args: ["--no-sandbox", "--ignore-certificate-errors", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-proxy-server"],
});

async function openTab(name, path) {
  const tab = await browser.newPage();
  tabs.set(name, tab);
  tab.on("websocket", (webSocket) => {
    webSocket.on("framereceived", ({ payload }) => {
      tell(name, "frame", typeof payload === "string" ? { text: payload } : { binary: true });
    });
  });
  tab.on("console", (message) => tell(name, "event", { name: "console", args: [message.text()] }));
  await tab.exposeFunction("tell", tell);
  await goto(tab, address + path);
  return tab;
}

async function follow(command) {
  if ("open" in command) {
    const tab = await openTab(command.open, "/");
    await tab.evaluate(connect, { name: command.open, url: command.url, options: command.options });
  } else if ("page" in command) {
    pages.set(command.page, command.html);
    await openTab(command.page, `/${encodeURIComponent(command.page)}`);
  } else {
    await tabs.get(command.close)?.close();
  }
}

let last = Promise.resolve();
createInterface({ input: process.stdin })
  .on("line", (line) => {
    last = last.then(() => follow(JSON.parse(line))).catch((error) => console.error(error));
  })
  .on("close", () => browser.close().finally(() => process.exit(0)));
