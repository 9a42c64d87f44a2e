// Talking to a running QEMU over its monitor socket (QMP, https://www.qemu.org/docs/master/interop/qmp-spec.html).
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/**
 * Powers a machine off as its power button does, so that the guest can end its services and unmount its disk; after
 * the grace time the machine is ended hard.
 * @param socket Path of the monitor socket.
 * @param grace Milliseconds the guest gets; default 30 s. With 0 the machine is ended at once.
 * @returns when QEMU is gone: `clean` when the guest powered off by itself, `forced` when it was ended, `absent` when there was no QEMU.
 */
export async function powerDown(socket: string, grace = 30_000): Promise<"clean" | "forced" | "absent"> {
  const connection = connect(socket);
  try {
    await new Promise<void>((resolve, reject) => connection.once("connect", resolve).once("error", reject));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A socket file without a listener is left by a QEMU that was killed.
    if (code === "ENOENT" || code === "ECONNREFUSED") return "absent";
    throw error;
  }
  // QEMU that ends closes the connection, in whatever way.
  const closed = new Promise<"closed">((resolve) => connection.once("close", () => resolve("closed")));
  connection.on("error", () => connection.destroy()).resume();
  const say = (command: string): void => void connection.write(`${JSON.stringify({ execute: command })}\n`);
  const timer = new AbortController();
  try {
    say("qmp_capabilities");
    if (grace > 0) {
      say("system_powerdown");
      const waited = delay(grace, "waited" as const, { signal: timer.signal }).catch(() => "waited" as const);
      if ((await Promise.race([closed, waited])) === "closed") return "clean";
    }
    say("quit");
    await closed;
    return "forced";
  } finally {
    timer.abort();
    connection.destroy();
  }
}
