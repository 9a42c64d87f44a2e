// Where the plugins that an engine starts (plugins/) find the test's own process, which is the real plugin.
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startStandIn, type RunningStandIn, type StandIn } from "./stand-in.ts";

const plugins = fileURLToPath(new URL("plugins", import.meta.url));

/** Listens for plugins. */
export class Hub {
  private readonly server: Server;
  private readonly running = new Set<RunningStandIn>();

  private constructor(
    private readonly path: string,
    standIns: readonly StandIn[],
  ) {
    this.server = createServer((socket) => {
      let started: RunningStandIn | undefined;
      socket.setEncoding("utf8");
      socket.once("data", (name) => {
        const standIn = standIns.find(({ package: each }) => each === String(name).trim());
        if (!standIn) return void socket.destroy();
        void startStandIn(standIn).then(
          (running) => {
            started = running;
            if (socket.destroyed) return running.end();
            this.running.add(running);
            socket.write(`${running.port}\n`);
          },
          (error: unknown) => {
            console.error(error);
            socket.destroy();
          },
        );
      });
      // An engine that was killed takes its plugins along, and the connection breaks.
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        if (started) this.running.delete(started);
        started?.end();
      });
    });
  }

  /** @param folder Where its socket goes; a short path, because a socket's has at most 107 bytes. */
  static async open(folder: string, standIns: readonly StandIn[]): Promise<Hub> {
    const hub = new Hub(join(folder, "plugins.socket"), standIns);
    await new Promise<void>((resolve, reject) => hub.server.once("error", reject).listen(hub.path, resolve));
    return hub;
  }

  /** What an engine's environment needs to find the plugins. @param path The PATH it has otherwise. */
  variables(path: string): { PATH: string; CI_IMAGES_TEST_CLOUD: string } {
    // Plugins in this folder win over the stand-ins: official ones, built by hand. See README.md.
    const official = process.env.CI_IMAGES_OFFICIAL_PLUGINS;
    const folders = [...(official ? [official] : []), plugins, path];
    return { PATH: folders.join(":"), CI_IMAGES_TEST_CLOUD: this.path };
  }

  async close(): Promise<void> {
    for (const each of this.running) each.end();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
