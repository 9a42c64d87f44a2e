// A small client for Cloud Storage: uploads a stream as an object (resumable), lists and deletes objects.
// https://cloud.google.com/storage/docs/performing-resumable-uploads
import { createHash } from "node:crypto";
import { readGceEnvironment } from "../facts/environment.ts";
import { UserError } from "../../../common/user-error.ts";
import type { Context } from "../../../provider/resource.ts";
import { longestPause, rest } from "../../../provider/kit/wait.ts";
import { findIdentity, LoginError, type Identity } from "./credentials.ts";

/** Bytes per request; Google requires multiples of 256 KiB. A chunk is kept in memory until it is accepted. */
const chunkSize = 4 * 2 ** 20;
/** Attempts before a failure becomes an error. */
const attempts = 8;
/** Milliseconds that one request may take. */
const patience = 10 * 60_000;

/** An object, as the API returns it. */
export interface StoredObject {
  name: string;
  size?: string;
  /** Of the content, base64. */
  md5Hash?: string;
  metadata?: Record<string, string>;
}

/** One bucket. */
export class Bucket {
  private constructor(
    readonly name: string,
    private readonly endpoint: string,
    private readonly identity: Identity,
    private readonly context: Context,
  ) {}

  static async open(name: string, context: Context): Promise<Bucket> {
    const environment = readGceEnvironment(process.env);
    const emulator = environment.storage.startsWith("http://");
    const identity = await findIdentity({ ...environment, emulator }, "storage");
    return new Bucket(name, environment.storage, identity, context);
  }

  /** @throws UserError if the bucket doesn't exist, or we may not use it. */
  async check(): Promise<void> {
    await this.request("GET", `storage/v1/b/${encodeURIComponent(this.name)}`);
  }

  /** The objects whose names start with a prefix. */
  async list(prefix: string): Promise<StoredObject[]> {
    const found: StoredObject[] = [];
    for (let pageToken: string | undefined; ;) {
      const query = new URLSearchParams({ prefix, ...(pageToken && { pageToken }) });
      const response = await this.request("GET", `${this.objects}?${query.toString()}`);
      const page = (await response.json()) as { items?: StoredObject[]; nextPageToken?: string };
      // Emulators ignore the prefix.
      found.push(...(page.items ?? []).filter(({ name }) => name.startsWith(prefix)));
      if (!page.nextPageToken) return found;
      pageToken = page.nextPageToken;
    }
  }

  /** Deletes an object. No-op if it no longer exists. */
  async remove(object: string): Promise<void> {
    await this.request("DELETE", `${this.objects}/${encodeURIComponent(object)}`, { allowed: [404] });
  }

  /**
   * Uploads a stream of unknown length. After a lost connection, continues with the first byte that Google lacks.
   * @param shown Called with the number of additional bytes that have arrived.
   * @throws UserError if Google refuses, or received different content.
   */
  async upload(
    object: string,
    content: AsyncIterable<Buffer>,
    metadata: Record<string, string>,
    shown: (more: number) => void,
  ): Promise<void> {
    const hash = createHash("md5");
    const session = await this.startUpload(object, metadata);
    let sent = 0;
    let made: StoredObject | undefined;
    for await (const { chunk, isLast } of chunksOf(content)) {
      hash.update(chunk);
      made = await this.sendChunk(session, chunk, sent, isLast);
      sent += chunk.length;
      shown(chunk.length);
    }
    const md5 = hash.digest("base64");
    if (made?.md5Hash === md5) return;
    throw new UserError({
      where: `gs://${this.name}/${object}`,
      found: `Google received different content: its MD5 is ${made?.md5Hash ?? "unknown"}`,
      allowed: md5,
      cure: "`pulumi up` tries again; what was uploaded is removed",
    });
  }

  private get objects(): string {
    return `storage/v1/b/${encodeURIComponent(this.name)}/o`;
  }

  private async startUpload(object: string, metadata: Record<string, string>): Promise<string> {
    const query = new URLSearchParams({ uploadType: "resumable", name: object });
    const path = `upload/${this.objects}?${query.toString()}`;
    const body = JSON.stringify({ name: object, contentType: "application/gzip", metadata });
    const response = await this.request("POST", path, { body, headers: { "content-type": "application/json" } });
    const session = response.headers.get("location");
    if (session !== null) return session;
    throw new UserError({ where: `gs://${this.name}/${object}`, found: "Google started no upload session" });
  }

  /** @returns the object, after the last chunk. */
  private async sendChunk(
    session: string,
    chunk: Buffer,
    start: number,
    isLast: boolean,
  ): Promise<StoredObject | undefined> {
    const total = isLast ? String(start + chunk.length) : "*";
    for (let offset = 0, failures = 0, isUnsure = false; ;) {
      let response: Response;
      try {
        if (isUnsure) {
          const known = await this.received(session);
          if (known.object) return known.object;
          if (known.bytes < start) throw this.incomplete(known.bytes, start + chunk.length);
          if (known.bytes - start > offset) failures = 0;
          offset = known.bytes - start;
          isUnsure = false;
        }
        const part = chunk.subarray(offset);
        const end = start + chunk.length - 1;
        const range = part.length === 0 ? `bytes */${total}` : `bytes ${start + offset}-${end}/${total}`;
        const headers = { "content-range": range };
        response = await this.send("PUT", session, { body: part, headers, allowed: [308] });
      } catch (error) {
        this.context.signal.throwIfAborted();
        if (!mayPass(error) || ++failures === attempts) throw error;
        this.context.progress(`upload to gs://${this.name}: ${error.message}; trying again`, true);
        await rest(Math.min(500 * 2 ** failures, 10 * longestPause()), this.context.signal);
        isUnsure = true;
        continue;
      }
      if (response.status !== 308) return (await response.json()) as StoredObject;
      const received = rangeEnd(response);
      if (received === start + chunk.length && !isLast) return undefined;
      // Google may have kept only a part of the chunk.
      offset = received - start;
      if (offset < 0 || (offset >= chunk.length && !isLast) || ++failures === attempts) {
        throw this.incomplete(received, start + chunk.length);
      }
    }
  }

  private incomplete(received: number, sent: number): UserError {
    return new UserError({ where: `gs://${this.name}`, found: `Google has ${received} bytes of ${sent}` });
  }

  /** How much of an upload Google has received. */
  private async received(session: string): Promise<{ bytes: number; object?: StoredObject }> {
    const response = await this.send("PUT", session, { headers: { "content-range": "bytes */*" }, allowed: [308] });
    if (response.status === 308) return { bytes: rangeEnd(response) };
    return { bytes: 0, object: (await response.json()) as StoredObject };
  }

  /** Sends a repeatable request, and retries it if the failure may pass. */
  private async request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.send(method, new URL(path, this.endpoint).href, options);
      } catch (error) {
        this.context.signal.throwIfAborted();
        if (!mayPass(error) || attempt === attempts) throw error;
        await rest(Math.min(500 * 2 ** attempt, 10 * longestPause()), this.context.signal);
      }
    }
  }

  private async send(method: string, url: string, { body, headers, allowed = [] }: RequestOptions): Promise<Response> {
    const what = `${method} ${new URL(url).pathname}`;
    const signal = AbortSignal.any([this.context.signal, AbortSignal.timeout(patience)]);
    let response: Response;
    try {
      const all = { ...(await this.identity.headers()), ...headers };
      response = await fetch(url, {
        method,
        headers: all,
        body: body as RequestInit["body"],
        signal,
        redirect: "manual",
      });
    } catch (error) {
      if (error instanceof UserError) throw error;
      const { message, cause } = error as Error;
      throw new StorageError(this.name, what, 0, cause instanceof Error ? `${message}: ${cause.message}` : message);
    }
    if (response.ok || allowed.includes(response.status)) return response;
    throw new StorageError(this.name, what, response.status, await reasonOf(response), this.identity.who);
  }
}

interface RequestOptions {
  body?: string | Buffer;
  headers?: Record<string, string>;
  /** Statuses that are not failures, in addition to 2xx. */
  allowed?: number[];
}

/** A request that failed. */
export class StorageError extends UserError {
  constructor(
    bucket: string,
    what: string,
    /** The HTTP status; 0 if there was no answer. */
    readonly status: number,
    reason: string,
    who = "",
  ) {
    super({
      where: `Cloud Storage, bucket ${bucket}`,
      key: what,
      found: `${reason} (${status || "no answer"})`,
      cure: cureOf(status, bucket, who),
    });
  }

  /** True if the same request may soon succeed. */
  get mayPass(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

function mayPass(error: unknown): error is UserError {
  return (error instanceof StorageError || error instanceof LoginError) && error.mayPass;
}

function cureOf(status: number, bucket: string, who: string): string | undefined {
  if (status === 401) return `log in again: Google does not accept ${who}`;
  if (status === 403) return `give ${who} the roles that docs/gce.md names, and check the bucket's quota`;
  if (status === 404) return `gcloud storage buckets create gs://${bucket}, or name another in ci-images:gce.bucket`;
  return undefined;
}

async function reasonOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return (JSON.parse(text) as { error: { message?: string } }).error.message ?? text;
  } catch {
    // Plain text, or a proxy's page.
    return text.slice(0, 200) || response.statusText;
  }
}

/** The number of bytes that `Range: bytes=0-41` describes. */
function rangeEnd(response: Response): number {
  const end = /^bytes=0-(\d+)$/.exec(response.headers.get("range") ?? "")?.[1];
  return end === undefined ? 0 : Number(end) + 1;
}

/**
 * Cuts a stream into chunks of one size; only the last one may be smaller, or empty. All chunks share one buffer: each
 * is valid only until the next one is requested.
 */
async function* chunksOf(content: AsyncIterable<Buffer>): AsyncGenerator<{ chunk: Buffer; isLast: boolean }> {
  const chunk = Buffer.alloc(chunkSize);
  let length = 0;
  for await (const data of content) {
    for (let rest = data; rest.length > 0;) {
      if (length === chunkSize) {
        yield { chunk, isLast: false };
        length = 0;
      }
      const copied = rest.copy(chunk, length);
      length += copied;
      rest = rest.subarray(copied);
    }
  }
  yield { chunk: chunk.subarray(0, length), isLast: true };
}
