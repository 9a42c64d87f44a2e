// `npm run bench`: measures everything that docs/benchmark.md promises, on this computer, and prints it as a table.
// `npm run bench warm`, `edit`, `fleet`, `cold`, `ec2`, `rackspace` or `imports` run one part. Takes a quarter of an
// hour; best on an idle computer.
import { cpus, loadavg } from "node:os";
import { accelerator } from "../components/local/provider/machine/qemu.ts";
import { benchEc2, benchRackspace } from "./cloud.ts";
import { benchCold } from "./cold.ts";
import { benchEdit } from "./edit.ts";
import { benchFleet } from "./fleet.ts";
import { benchImports } from "./imports.ts";
import { table, type Row } from "./table.ts";
import { benchWarm } from "./warm.ts";

const parts: Record<string, { title: string; run: (say: (line: string) => void) => Promise<Row[]> }> = {
  warm: { title: "Caches warm", run: benchWarm },
  edit: { title: "An edit of the last module", run: benchEdit },
  fleet: { title: "Ten recipes in one stack", run: benchFleet },
  cold: { title: "Caches cold", run: benchCold },
  ec2: { title: "Test cloud, stack ec2", run: benchEc2 },
  rackspace: { title: "Test cloud, stack rackspace", run: benchRackspace },
  imports: { title: "Imports into emulators on this computer", run: benchImports },
};

const chosen = process.argv.slice(2);
const unknown = chosen.find((name) => !(name in parts));
if (unknown !== undefined) {
  console.error(`the benchmark has no part ${unknown}; allowed: ${Object.keys(parts).join(", ")}`);
  process.exit(2);
}
const load = () =>
  loadavg()
    .map((value) => value.toFixed(1))
    .join(" ");
const begun = load();
const results: [string, Row[]][] = [];
for (const { title, run } of (chosen.length > 0 ? chosen : Object.keys(parts)).map((name) => parts[name])) {
  results.push([title, await run((line) => console.error(line))]);
}
const today = new Date().toISOString().slice(0, 10);
console.log(`\n${today}, ${cpus().length} processors (${cpus()[0].model}), QEMU with ${await accelerator()}.`);
console.log(`Load average at the start: ${begun}; at the end: ${load()}.`);
for (const [title, rows] of results) console.log(`\n## ${title}\n\n${table(rows)}`);
