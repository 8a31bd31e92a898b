// Prints what the official AsyncAPI parser finds wrong with a document, a line each; nothing if it is valid.
//
//   node asyncapi.mjs DOCUMENT PACKAGE_JSON     (the second says where the parser is installed)

import { createRequire } from "node:module";

const [document, installed] = process.argv.slice(2);
const { Parser, fromFile } = createRequire(installed)("@asyncapi/parser");
const { diagnostics } = await fromFile(new Parser(), document).parse();
for (const { message, path, range } of diagnostics) {
  console.log(`${document}:${range.start.line + 1}: ${path.join(".")}: ${message}`);
}
