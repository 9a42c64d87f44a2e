// Connects the plugin executables that an engine starts (plugins/) with the test's process, which serves the plugins.
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
      // A killed engine takes its plugins with it, which breaks the connection.
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        if (started) this.running.delete(started);
        started?.end();
      });
    });
  }

  /**
   * Opens a hub.
   * @param folder The folder for its socket; a short path, because a socket's path has at most 107 bytes.
   */
  static async open(folder: string, standIns: readonly StandIn[]): Promise<Hub> {
    const hub = new Hub(join(folder, "plugins.socket"), standIns);
    await new Promise<void>((resolve, reject) => hub.server.once("error", reject).listen(hub.path, resolve));
    return hub;
  }

  /** Variables with which an engine finds the plugins. @param path The engine's PATH without the plugins. */
  variables(path: string): { PATH: string; CI_IMAGES_TEST_CLOUD: string } {
    // Official plugins in this folder take precedence over the stand-ins. See README.md.
    const official = process.env.CI_IMAGES_OFFICIAL_PLUGINS;
    const folders = [...(official ? [official] : []), plugins, path];
    return { PATH: folders.join(":"), CI_IMAGES_TEST_CLOUD: this.path };
  }

  async close(): Promise<void> {
    for (const each of this.running) each.end();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
