#!/usr/bin/env node
// `./ci-images VERB`: loads main.ts and runs it.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

if (!existsSync(fileURLToPath(new URL("../node_modules/tsx", import.meta.url)))) {
  process.stderr.write("ci-images: the npm packages are not installed yet\n  cure: npm ci, in this project's folder\n");
  process.exit(1);
}
const { importProgram } = await import("../common/import-file.mjs");
const program = await importProgram(fileURLToPath(new URL("main.ts", import.meta.url)));
const { main } = /** @type {typeof import("./main.ts")} */ (/** @type {unknown} */ (program));
process.exitCode = await main(process.argv.slice(2));
