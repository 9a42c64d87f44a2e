// Floating addresses: loopback addresses whose port 22 is relayed to a machine.
import { connect, createServer, type Server, type Socket } from "node:net";

/** The floating addresses of one cloud. */
export class Relays {
  private readonly servers = new Map<string, { server: Server; sockets: Set<Socket> }>();

  /**
   * Relays connections from the address `from` to the address `to`, at port 22.
   * @param letsIn Whether connections from a source address are allowed; all are by default.
   */
  async add(from: string, to: string, letsIn: (source: string) => boolean = () => true): Promise<void> {
    await this.remove(from);
    const sockets = new Set<Socket>();
    const server = createServer((incoming) => {
      if (!letsIn(incoming.remoteAddress ?? "")) {
        incoming.destroy();
        return;
      }
      const outgoing = connect({ host: to, port: 22 });
      for (const [one, other] of [
        [incoming, outgoing],
        [outgoing, incoming],
      ]) {
        sockets.add(one);
        // Clients see the same refusal or end as without a relay.
        one.on("error", () => other.destroy());
        one.on("close", () => {
          sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
    await new Promise<void>((resolve, reject) => server.once("error", reject).listen(22, from, resolve));
    this.servers.set(from, { server, sockets });
  }

  /** Removes the relay of an address. No-op if there is none. */
  async remove(from: string): Promise<void> {
    const found = this.servers.get(from);
    if (!found) return;
    this.servers.delete(from);
    for (const socket of found.sockets) socket.destroy();
    await new Promise((resolve) => found.server.close(resolve));
  }

  async close(): Promise<void> {
    for (const from of [...this.servers.keys()]) await this.remove(from);
  }
}
