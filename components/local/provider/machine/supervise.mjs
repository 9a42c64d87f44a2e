// The supervisor: one process per running machine. It is process 1 of its own process namespace, so when it ends, even
// by `kill -9`, the kernel ends the guest and its network, and the mounts and the network namespace disappear. It
// outlives the process that started it.
//
// Plain JavaScript without dependencies, so that it starts fast and stays small. Its working directory is the machine's
// folder, where it reads `supervise.json` (type Supervision in supervisor.ts) and writes `status.json` (type Status)
// and `console.log`. On SIGTERM it powers the guest off and ends.
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { connect } from "node:net";

/** @type {import("./supervisor.ts").Supervision} */
// eslint-disable-next-line @typescript-eslint/no-unsafe-assignment -- the rule knows no types of comments
const supervision = JSON.parse(fs.readFileSync("supervise.json", "utf8"));
const { guest } = supervision;
/** systemd-nspawn's exit status when the guest asked for a reboot: the caller must start it again. */
const rebootRequested = 133;
/** Bytes at which the console's log is rotated to console.1.log. */
const consoleLimit = 1024 * 1024;

/** @typedef {{ return?: unknown, error?: { desc?: string } }} Answer An answer from QEMU's or slirp4netns' socket. */

/** @type {import("node:child_process").ChildProcess | undefined} */
let running;
/** @type {"stop" | "deadline" | undefined} */
let ending;
let forced = false;
let address = supervision.addresses[0];
let consoleSize = 0;

/** @param {import("./supervisor.ts").Status} status */
function report(status) {
  fs.writeFileSync("status.json.new", JSON.stringify(status));
  fs.renameSync("status.json.new", "status.json");
}

/** @param {Buffer | string} text */
function log(text) {
  if (consoleSize > consoleLimit) {
    fs.renameSync("console.log", "console.1.log");
    consoleSize = 0;
  }
  fs.appendFileSync("console.log", text);
  consoleSize += text.length;
}

/** @param {string} command @param {string[]} words */
function run(command, ...words) {
  const { status, stderr, error } = spawnSync(command, words, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${words.join(" ")}: ${error?.message ?? stderr.trim()}`);
}

/** Powers the guest off, and kills it after the grace time. @param {"stop" | "deadline"} why */
function end(why) {
  if (ending) return;
  ending = why;
  if (!running) process.exit(0);
  if (guest.kind === "container") running.kill("SIGTERM");
  else pressPowerButton(guest.monitor).catch((error) => console.error("the power button could not be pressed:", error));
  setTimeout(() => {
    forced = true;
    running?.kill("SIGKILL");
  }, supervision.powerOffSeconds * 1000).unref();
}

process.on("SIGTERM", () => end("stop"));
process.on("SIGHUP", () => {});
process.on("SIGINT", () => {});
// Polled, because a timer stands still while the computer sleeps, and can't be longer than 24 days.
const deadline = setInterval(() => Date.parse(supervision.deadline) <= Date.now() && end("deadline"), 500);

try {
  report({ phase: "starting" });
  const detail = guest.kind === "container" ? await superviseContainer(guest) : await superviseVirtualMachine(guest);
  report({
    phase: "ended",
    reason: ending ?? (detail === undefined ? "poweroff" : "failed"),
    forced,
    detail,
    ...address,
  });
} catch (error) {
  running?.kill("SIGKILL");
  report({ phase: "ended", reason: "failed", forced, detail: error instanceof Error ? error.message : String(error) });
}
clearInterval(deadline);
process.exit(0);

/** @param {import("./supervisor.ts").ContainerSupervision} container */
async function superviseContainer(container) {
  const environment = { ...process.env, CONTROL_GROUP: controlGroup(container.controlGroup) };
  const { overlay } = container;
  if (overlay.disk) run("mount", "-o", container.diskOptions, overlay.disk.file, overlay.disk.path);
  // From the machine's last run; see enterOverlay in overlay.ts.
  run("rm", "-rf", "--", `${overlay.work}/work`);
  run("mount", "-t", "overlay", "overlay", "-o", container.overlayOptions, overlay.path);
  // systemd-nspawn's records of the machine stay private and end with us.
  fs.mkdirSync("/run/systemd/nspawn", { recursive: true });
  run("mount", "-t", "tmpfs", "tmpfs", "/run/systemd/nspawn");
  fs.writeFileSync("network", "");
  run("unshare", "--net=network", "true");
  const network = await startNetwork(container.networkCommand);
  try {
    address = await firstFree(async ({ host, port }) => {
      for (const [index, guestPort] of container.ports.entries()) {
        const ports = { host_port: index === 0 ? port : guestPort, guest_port: guestPort };
        const request = { proto: "tcp", host_addr: host, ...ports };
        const { error } = await ask("network.sock", { execute: "add_hostfwd", arguments: request });
        if (error) return error.desc ?? "no reason given";
      }
      return undefined;
    });
    for (;;) {
      const status = await runGuest(container.command, environment);
      // A guest that reboots while it is being powered off counts as off.
      if (status !== rebootRequested || ending) {
        return status === 0 || ending ? undefined : `systemd-nspawn ended with status ${status}`;
      }
      log("\n--- reboot ---\n");
    }
  } finally {
    network.kill();
    run("umount", overlay.path);
    restoreNameServers(container);
    if (overlay.disk) run("umount", overlay.disk.path);
  }
}

/** Connects the network namespace, and waits until it is ready. @param {string[]} command */
async function startNetwork([command, ...words]) {
  const log = fs.openSync("network.log", "w");
  const child = spawn(command, words, { stdio: ["ignore", log, log, "pipe"] });
  fs.closeSync(log);
  /** @type {import("node:stream").Readable} */
  const ready = /** @type {any} */ (child.stdio[3]);
  await new Promise((resolve, reject) => {
    ready.once("data", resolve);
    child.once("error", reject);
    child.once("exit", (status) => {
      reject(new Error(`${command} ended with status ${status}: ${fs.readFileSync("network.log", "utf8").trim()}`));
      // Without a network the machine is useless.
      if (!ending) running?.kill("SIGTERM");
    });
  });
  return child;
}

/**
 * Removes our resolv.conf, so that the base's is visible again. A module's own is kept.
 * @param {import("./supervisor.ts").ContainerSupervision} container
 */
function restoreNameServers({ overlay, nameServers }) {
  const file = `${overlay.upper}/etc/resolv.conf`;
  const status = fs.lstatSync(file, { throwIfNoEntry: false });
  if (status?.isFile() && fs.readFileSync(file, "utf8") === nameServers) fs.rmSync(file);
}

/** @param {import("./supervisor.ts").VirtualMachineSupervision} machine */
async function superviseVirtualMachine(machine) {
  for (address of supervision.addresses) {
    consoleSize = 0;
    const status = await runGuest(
      machine.command.map((word) =>
        word.replace("ADDRESS:22", `${address.host}:${address.port}`).replaceAll("ADDRESS:", `${address.host}:`),
      ),
    );
    if (status === 0 || ending) return undefined;
    const said = fs.readFileSync("guest.log", "utf8").trim();
    // QEMU's message for an address in use: try the next one.
    if (!said.includes("host forwarding rule")) return `QEMU ended with status ${status}: ${said}`;
  }
  return "no address is free for SSH";
}

/**
 * Starts the guest and waits until it has ended.
 * @param {string[]} command @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<number>} its exit status.
 */
async function runGuest([command, ...words], env = process.env) {
  // A container prints its console. QEMU writes the console to a file, and prints only errors.
  const output = guest.kind === "container" ? "pipe" : fs.openSync("guest.log", "w");
  const child = spawn(command, words, { env, stdio: ["ignore", output, output] });
  if (typeof output === "number") fs.closeSync(output);
  running = child;
  child.stdout?.on("data", log);
  child.stderr?.on("data", log);
  report({ phase: "running", ...address });
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status) => resolve(status ?? -1));
    });
  } finally {
    running = undefined;
  }
}

/**
 * The first candidate address that is free on this computer. Binding it is the test, so two machines that start at the
 * same moment can't get the same one.
 * @param {(address: {host: string, port: number}) => Promise<string | undefined>} take Binds an address; returns what
 *   went wrong, if anything.
 */
async function firstFree(take) {
  let problem;
  for (const candidate of supervision.addresses) {
    problem = await take(candidate);
    if (problem === undefined) return candidate;
  }
  throw new Error(`no address is free for SSH; the last one tried: ${problem}`);
}

/**
 * The machine's own control group: without one, the systemds of two machines would manage the same groups. Usually we
 * are already in it (enter-control-group.sh). It is made here on computers without control groups version 2.
 * @param {string} name
 * @returns {string} its folder.
 */
function controlGroup(name) {
  const root = "/sys/fs/cgroup";
  if (!fs.existsSync(`${root}/cgroup.controllers`)) {
    // This host has only version 1, which newer systemd refuses: mount version 2 for the guest.
    run("mount", "-t", "cgroup2", "cgroup2", root);
  }
  const own = /^0::(.*)\/supervisor$/m.exec(fs.readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  if (own?.includes(name)) return `${root}${own}`;
  const group = `${root}/${name}`;
  for (const part of ["supervisor", "guest"]) fs.mkdirSync(`${group}/${part}`, { recursive: true });
  fs.writeFileSync(`${group}/supervisor/cgroup.procs`, "0");
  return group;
}

/** Presses the virtual machine's power button. @param {string} monitor */
async function pressPowerButton(monitor) {
  const { error } = await ask(monitor, { execute: "qmp_capabilities" }, { execute: "system_powerdown" });
  if (error) throw new Error(`QEMU: ${error.desc}`);
}

/**
 * Sends requests to a JSON socket, one after another; returns the last answer.
 * @param {string} file @param {object[]} requests
 * @returns {Promise<Answer>}
 */
function ask(file, ...requests) {
  return new Promise((resolve, reject) => {
    const socket = connect(file);
    let text = "";
    const next = () => socket.write(`${JSON.stringify(requests.shift())}\n`);
    socket.setTimeout(10_000, () => socket.destroy(new Error(`${file}: no answer`)));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`${file}: closed without an answer: ${text}`)));
    socket.once("connect", next);
    socket.on("data", (data) => {
      text += String(data);
      for (const line of text.split("\n")) {
        const answer = parse(line);
        if (!answer || !("return" in answer || "error" in answer)) continue;
        text = text.slice(text.indexOf(line) + line.length);
        if (requests.length > 0 && !("error" in answer)) return next();
        resolve(answer);
        socket.end();
      }
    });
  });
}

/** @param {string} line @returns {Answer | undefined} */
function parse(line) {
  try {
    // eslint-disable-next-line @typescript-eslint/no-unsafe-return -- the rule knows no types of comments
    return JSON.parse(line);
  } catch {
    return undefined; // The rest of the line has not arrived yet.
  }
}
