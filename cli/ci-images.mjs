#!/usr/bin/env node
// `./ci-images VERB`: loads TypeScript through tsx and runs main.ts.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

if (!existsSync(fileURLToPath(new URL("../node_modules/tsx", import.meta.url)))) {
  process.stderr.write("ci-images: the npm packages are not installed yet\n  cure: npm ci, in this project's folder\n");
  process.exit(1);
}
const { register } = await import("tsx/esm/api");
register();
const { main } = await import("./main.ts");
process.exitCode = await main(process.argv.slice(2));
