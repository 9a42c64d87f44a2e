// Powers down a running QEMU over its monitor socket (QMP, https://www.qemu.org/docs/master/interop/qmp-spec.html).
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/**
 * Presses a machine's power button, so that the guest can stop its services and unmount its disk. Ends the machine by
 * force after the grace time.
 * @param socket Path of the monitor socket.
 * @param grace Milliseconds the guest gets; default 30 s. 0 ends the machine at once.
 * @returns once QEMU has ended: `clean` if the guest powered itself off, `forced` if it was ended, `absent` if there
 *   was no QEMU.
 */
export async function powerDown(socket: string, grace = 30_000): Promise<"clean" | "forced" | "absent"> {
  const connection = connect(socket);
  try {
    await new Promise<void>((resolve, reject) => connection.once("connect", resolve).once("error", reject));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A killed QEMU leaves a socket file without a listener.
    if (code === "ENOENT" || code === "ECONNREFUSED") return "absent";
    throw error;
  }
  // QEMU closes the connection when it ends, however it ends.
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
