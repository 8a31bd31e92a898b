// Drives clients/dumbwaiter.js: commands come as JSON lines on stdin, all that it tells goes as JSON lines to stdout.
//
//   in:   {"options": {..}}   connect, with a token function that gives what was told last
//         {"token": TEXT}     what it gives from now on
//   out:  {"told": "CREATE_PIZZA" | "onGap" | .., "value": ..}
//
// The folder that holds node_modules is the first argument.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { connect } from "../../../../clients/dumbwaiter.js";

const { WebSocket } = createRequire(process.argv[2] + "/")("ws");

let token;

function tell(told, value) {
  const { code, comeBack, closeCode, message } = value ?? {};
  process.stdout.write(JSON.stringify({ told, value: value instanceof Error ? { code, comeBack, closeCode, message } : value }) + "\n");
}

const callbacks = ["onGap", "onStale", "onStatus", "onCursor", "onState", "onError", "onEnd"];
const told = Object.fromEntries(callbacks.map((name) => [name, (value) => tell(name, value)]));

function start(options) {
  connect({
    ...told,
    WebSocket,
    token: ({ wasRefused }) => {
      tell("token", { wasRefused });
      return token;
    },
    on: { CREATE_PIZZA: (pizza) => tell("CREATE_PIZZA", pizza) },
    ...options,
  });
}

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    if ("token" in command) token = command.token;
    else start(command.options);
  })
  .on("close", () => process.exit(0));
