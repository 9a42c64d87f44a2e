// gcp-storage-emulator, a third-party emulator of Cloud Storage (https://github.com/oittaa/gcp-storage-emulator),
// behind a proxy that injects faults. It checks our resumable uploads with code that we did not write.
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { execa } from "execa";
import { withLock } from "../../components/local/provider/file-lock.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";
import { freePort } from "../free-port.ts";

/** The release that the tests were written with. */
const release = "2026.7.19";

/** A fault of the next request with content. */
export type StorageFault =
  | "cut"
  /** The answer has the checksum of different content. */
  | "other content"
  | { status: number; message: string };

/** A running server. */
export class StorageEmulator {
  readonly faults: StorageFault[] = [];
  /** Requests so far, such as `PUT bytes 0-9/10`. */
  readonly calls: string[] = [];
  private readonly proxy: Server;

  private constructor(
    private readonly behind: string,
    private readonly end: () => Promise<void>,
  ) {
    this.proxy = createServer((request, response) => void this.serve(request, response));
  }

  /** Starts a server with an empty bucket. */
  static async start(bucket: string): Promise<StorageEmulator> {
    const python = await installed();
    const port = await freePort();
    const words = ["-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1", "--port", String(port), "--in-memory"];
    const server = execa(python, [...words, "--default-bucket", bucket], { reject: false, stdin: "ignore", all: true });
    const emulator = new StorageEmulator(`http://127.0.0.1:${port}`, async () => {
      server.kill("SIGKILL");
      await server;
    });
    const answers = () =>
      fetch(`http://127.0.0.1:${port}/storage/v1/b/${bucket}`).then(
        ({ ok }) => ok,
        () => false,
      );
    const deadline = Date.now() + 60_000;
    while (!(await answers())) {
      if (Date.now() > deadline) throw new Error("gcp-storage-emulator does not answer");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await new Promise<void>((resolve) => emulator.proxy.listen(0, "127.0.0.1", resolve));
    return emulator;
  }

  /** The value for STORAGE_EMULATOR_HOST. */
  get url(): string {
    return `http://127.0.0.1:${(this.proxy.address() as AddressInfo).port}`;
  }

  /** Names of the objects in a bucket. */
  async objects(bucket: string): Promise<string[]> {
    const answer = await fetch(`${this.behind}/storage/v1/b/${bucket}/o`);
    const { items = [] } = (await answer.json()) as { items?: { name: string }[] };
    return items.map(({ name }) => name);
  }

  /** An object's content, if it exists. @param source `https://storage.googleapis.com/BUCKET/OBJECT`. */
  async content(source: string): Promise<Buffer | undefined> {
    const [, bucket, object] = /^https:\/\/storage\.googleapis\.com\/([^/]+)\/(.+)$/.exec(source) ?? [];
    const answer = await fetch(`${this.behind}/storage/v1/b/${bucket}/o/${encodeURIComponent(object)}?alt=media`);
    return answer.ok ? Buffer.from(await answer.arrayBuffer()) : undefined;
  }

  async close(): Promise<void> {
    this.proxy.closeAllConnections();
    await new Promise((resolve) => this.proxy.close(resolve));
    await this.end();
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const content = await buffer(request);
    this.calls.push(`${request.method} ${request.headers["content-range"] ?? request.url}`);
    const fault = content.length > 0 && request.method === "PUT" ? this.faults.shift() : undefined;
    if (fault === "cut") return void request.socket.destroy();
    if (typeof fault === "object") {
      return void response.writeHead(fault.status).end(JSON.stringify({ error: { message: fault.message } }));
    }
    const names = ["content-type", "content-range", "x-upload-content-type"];
    const headers = names.flatMap((name) => (request.headers[name] ? [[name, String(request.headers[name])]] : []));
    const { method } = request;
    const body = method === "GET" || method === "DELETE" ? undefined : content;
    const answer = await fetch(this.behind + request.url, { method, headers: headers as [string, string][], body });
    const text = Buffer.from(await answer.arrayBuffer()).toString();
    const told = fault === "other content" ? text.replace(/"md5Hash": *"[^"]*"/, '"md5Hash":"b3RoZXI="') : text;
    const location = answer.headers.get("location");
    // If nothing has arrived, the emulator reports one byte; Google omits the header.
    const received = answer.headers.get("range");
    const range = received === "bytes=0-0" ? null : received;
    response.writeHead(answer.status, {
      "content-type": answer.headers.get("content-type") ?? "text/plain",
      ...(range !== null && { range }),
      ...(location !== null && { location: location.replace(this.behind, this.url) }),
    });
    response.end(told);
  }
}

/** Returns the Python that has the emulator. The first call installs it into the project's cache. */
async function installed(): Promise<string> {
  const cache = join(projectDirectory, ".cache");
  const home = join(cache, `gcp-storage-emulator-${release}`);
  const done = join(home, "done");
  await mkdir(cache, { recursive: true });
  return withLock(`${home}.lock`, async () => {
    const python = join(home, "bin/python");
    if (existsSync(done)) return python;
    await execa("python3", ["-m", "venv", home]);
    await execa(join(home, "bin/pip"), ["install", "--quiet", `gcp-storage-emulator==${release}`]);
    await mkdir(done);
    return python;
  });
}
