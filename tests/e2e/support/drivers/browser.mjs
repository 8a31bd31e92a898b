// Drives one page of Chromium at a time, step by step: what a person would do and see.
//
//   in:   {"open": url, "options": {..}, "without": glob}
//                                                  a fresh browser context; options as Playwright's newContext has them;
//                                                  what is at addresses like `without` does not load
//         {"call": method, "args": [..]}           a method of Playwright's Page, or of its keyboard as "keyboard.press"
//   out:  {"result": ..} or {"error": text}        an answer to each, in order
//
// What the page says on its console as an error, and what it throws, is kept and given by {"complaints": true}.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { goto, NETWORK_CHANGED } from "./goto.mjs";

const require = createRequire(process.argv[2] + "/");
const { chromium } = require("playwright-core");
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  // The driver of a test run has nothing to ask the network for.
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-proxy-server"],
});
let page = null;
const complaints = [];

async function open({ open: url, options, without }) {
  await page?.context().close();
  complaints.length = 0;
  page = await (await browser.newContext(options)).newPage();
  if (without) await page.route(without, (route) => route.abort());
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => message.type() === "error" && complain(message.text()));
  await goto(page, url);
}

function complain(text) {
  if (!text.includes(NETWORK_CHANGED)) complaints.push(text);
}

async function call({ call: path, args }) {
  const names = path.split(".");
  const method = names.pop();
  const target = names.reduce((object, name) => object[name], page);
  const result = await target[method](...args);
  // Handles and responses stay here.
  return ["evaluate", "textContent", "getAttribute", "isVisible", "title"].includes(method) ? result : null;
}

function follow(command) {
  if ("open" in command) return open(command);
  if ("complaints" in command) return complaints;
  return call(command);
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { result: (await follow(JSON.parse(line))) ?? null };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser.close();
