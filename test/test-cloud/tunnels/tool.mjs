// A fake of gcloud, the AWS CLI and its plugin. It sends its arguments to the test (tunnel-tools.ts), which tells it
// what to do, for example connect standard input and output to a machine's SSH server.
import { spawn } from "node:child_process";
import { connect } from "node:net";

const [tool, ...words] = process.argv.slice(2);
const test = connect(process.env.CI_IMAGES_TEST_TUNNELS ?? "");
test.write(`${JSON.stringify({ tool, words })}\n`);
let text = "";
for await (const part of test) text += String(part);
/** @type {import("../tunnel-tools.ts").Order} */
// eslint-disable-next-line @typescript-eslint/no-unsafe-assignment -- the rule knows no types of comments
const order = JSON.parse(text);
if ("address" in order) {
  const { address, network, greeting = "", outlivesInput, runsPlugin } = order;
  process.stdout.write(greeting);
  const relay = `
    const s = require("net").connect(22, process.argv[1]);
    s.on("error", () => process.exit(1));
    s.on("close", () => process.exit(0));
    process.stdin.pipe(s, { end: ${!outlivesInput} });
    s.pipe(process.stdout);`;
  const enter = network === undefined ? [] : ["nsenter", `--net=${network}`, "--"];
  const [program, ...rest] = [...enter, process.execPath, "-e", relay, address];
  const child = spawn(program, rest, { stdio: "inherit" });
  if (outlivesInput) process.on("SIGTERM", () => {});
  if (!runsPlugin) process.on("SIGHUP", () => child.kill("SIGHUP"));
  child.on("exit", (code) => process.exit(code ?? 1));
} else {
  (order.status === 0 ? process.stdout : process.stderr).write(`${order.says}\n`);
  process.exitCode = order.status;
}
