// A real PostgreSQL from Debian's package: an empty database on a free loopback port.
import { chown, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { freePort } from "../free-port.ts";

/** The account `nobody`, because PostgreSQL refuses to run as root. */
const user = 65534;

/** Seconds until the server must accept connections. */
const startSeconds = 60;

/**
 * Starts a server.
 * @returns the database's URL for Pulumi, and a function that stops the server and deletes its data.
 */
export async function startPostgres(): Promise<{ url: string; stop: () => Promise<void> }> {
  const programs = await programFolder();
  const folder = await mkdtemp(join(tmpdir(), "ci-images-postgres-"));
  await chown(folder, user, user);
  const asUser = { uid: user, gid: user, cwd: folder, all: true, stdin: "ignore" } as const;
  const data = join(folder, "data");
  await execa(join(programs, "initdb"), ["-D", data, "-U", "pulumi", "--auth=trust", "--no-sync"], asUser);
  const port = await freePort();
  const options = { listen_addresses: "127.0.0.1", unix_socket_directories: folder, fsync: "off", port };
  const settings = Object.entries(options).flatMap(([key, value]) => ["-c", `${key}=${value}`]);
  const server = execa(join(programs, "postgres"), ["-D", data, ...settings], { ...asUser, reject: false });
  const stop = async () => {
    server.kill("SIGINT");
    await server;
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = Date.now() + startSeconds * 1000;
  // The file's last line is the server's state: https://www.postgresql.org/docs/15/storage-file-layout.html
  while (!/ready\s*$/.test(await readFile(join(data, "postmaster.pid"), "utf8").catch(() => ""))) {
    if (server.exitCode !== null || Date.now() > deadline) {
      await stop();
      throw new Error(`PostgreSQL did not start:\n${(await server).all}`);
    }
    await sleep(100);
  }
  return { url: `postgres://pulumi@127.0.0.1:${port}/postgres?sslmode=disable`, stop };
}

/** Debian's folder for the server's programs, which is not on PATH. */
async function programFolder(): Promise<string> {
  const folder = "/usr/lib/postgresql";
  const [version] = await readdir(folder);
  return join(folder, version, "bin");
}
