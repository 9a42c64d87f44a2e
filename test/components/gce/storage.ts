// A few lines of Cloud Storage in this process: a bucket that takes one resumable upload, and can fail.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { createHash } from "node:crypto";

export class SmallStorage {
  /** Requests so far, such as `PUT bytes 0-9/10`. */
  readonly calls: string[] = [];
  /** Answers requests instead of the bucket; true if it did. */
  fault: (call: string, response: ServerResponse) => boolean = () => false;
  content = Buffer.alloc(0);
  private readonly server: Server = createServer((request, response) => void this.serve(request, response));

  static async start(): Promise<SmallStorage> {
    const storage = new SmallStorage();
    await new Promise<void>((resolve) => storage.server.listen(0, "127.0.0.1", resolve));
    return storage;
  }

  /** The value for STORAGE_EMULATOR_HOST. */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const range = request.headers["content-range"];
    const call = `${request.method!} ${range ?? new URL(request.url!, this.url).pathname}`;
    this.calls.push(call);
    if (this.fault(call, response)) return;
    const body = await buffer(request);
    if (request.method === "POST") response.setHeader("location", `${this.url}/session`);
    if (request.method !== "PUT") return void response.end("{}");
    this.content = Buffer.concat([this.content, body]);
    if (range!.endsWith("/*")) {
      response.statusCode = 308;
      if (this.content.length > 0) response.setHeader("range", `bytes=0-${this.content.length - 1}`);
    }
    response.end(JSON.stringify({ name: "o", md5Hash: createHash("md5").update(this.content).digest("base64") }));
  }
}
