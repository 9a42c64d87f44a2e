// `npm run bench`: measures what docs/benchmark.md promises, on this computer, in one run, and prints it as a table.
// `npm run bench warm` and `npm run bench cold` run one half. Takes a few minutes; best on a quiet computer.
import { cpus, loadavg } from "node:os";
import { accelerator } from "../provider/local/qemu.ts";
import { benchCold } from "./cold.ts";
import { table, type Row } from "./table.ts";
import { benchWarm } from "./warm.ts";

const parts: Record<string, (say: (line: string) => void) => Promise<Row[]>> = { warm: benchWarm, cold: benchCold };

const chosen = process.argv.slice(2);
const unknown = chosen.find((name) => !(name in parts));
if (unknown !== undefined) {
  console.error(`there is no part ${unknown} of the benchmark: ${Object.keys(parts).join(", ")}`);
  process.exit(2);
}
const load = () =>
  loadavg()
    .map((value) => value.toFixed(1))
    .join(" ");
const begun = load();
const results: [string, Row[]][] = [];
for (const name of chosen.length > 0 ? chosen : Object.keys(parts)) {
  results.push([name, await parts[name]((line) => console.error(line))]);
}
const today = new Date().toISOString().slice(0, 10);
console.log(`\n${today}, ${cpus().length} processors (${cpus()[0].model}), QEMU with ${await accelerator()}.`);
console.log(`Load average at the start: ${begun}; at the end: ${load()}.`);
for (const [name, rows] of results) console.log(`\n## Caches ${name}\n\n${table(rows)}`);
