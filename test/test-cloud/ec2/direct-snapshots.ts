// Snapshots written block by block through the EBS direct APIs. Checks requests by AWS's documentation, lets moto keep
// the blocks, and writes the disk that images registered from the snapshot boot.
// https://docs.aws.amazon.com/ebs/latest/APIReference/
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const blockSize = 524_288;
/** Milliseconds from the last call to a usable snapshot. */
const pace = 300;

/** An answer of the APIs. */
export interface DirectAnswer {
  status: number;
  body: string;
  type: string;
  headers?: Record<string, string>;
}

interface DirectSnapshot {
  /** GiB. */
  size: number;
  /** The body of StartSnapshot. */
  request: Record<string, unknown>;
  digests: Map<number, Buffer>;
  state: "pending" | "completed";
  isClosed: boolean;
}

/** The name of an action, by method and path. */
export function directAction({ method, url = "" }: IncomingMessage): string {
  const path = url.split("?")[0];
  if (method === "POST" && path === "/snapshots") return "StartSnapshot";
  if (method === "POST" && path.startsWith("/snapshots/completion/")) return "CompleteSnapshot";
  if (method === "PUT" && /^\/snapshots\/[^/]+\/blocks\/\d+$/.test(path)) return "PutSnapshotBlock";
  return `${method} ${path}`;
}

/** An error in the format of restJson services. */
export function directError(code: string, message: string, status = 400): DirectAnswer {
  return { status, body: JSON.stringify({ message }), type: "application/json", headers: { "x-amzn-errortype": code } };
}

export class DirectSnapshots {
  readonly all = new Map<string, DirectSnapshot>();

  /**
   * @param folder The folder for disks; undefined if nothing boots them.
   * @param dropVolume Removes the volume that moto, unlike AWS, creates for each snapshot.
   */
  constructor(
    private readonly folder: string | undefined,
    private readonly dropVolume: (region: string, snapshot: string) => Promise<void>,
  ) {}

  /** Answers a request. @param forward Forwards the request to moto. */
  async answer(
    region: string,
    request: IncomingMessage,
    content: Buffer,
    forward: () => Promise<{ status: number; body: string }>,
  ): Promise<DirectAnswer> {
    const invalid = (message: string) => directError("ValidationException", message);
    const header = (name: string) => String(request.headers[name] ?? "");
    const [, , id = "", , index = ""] = (request.url ?? "").split("?")[0].split("/");
    const action = directAction(request);
    if (action === "StartSnapshot") {
      const asked = JSON.parse(content.toString()) as Record<string, unknown>;
      const { VolumeSize: size, Tags = [], Timeout = 60, Encrypted, KmsKeyArn } = asked as Record<string, never>;
      if (!Number.isInteger(size) || size < 1 || size > 65_536) return invalid("VolumeSize");
      if (!(Timeout >= 10 && Timeout <= 4320)) return invalid("Timeout");
      if (KmsKeyArn !== undefined && Encrypted !== true) return invalid("KmsKeyArn needs Encrypted");
      if ((Tags as unknown[]).length > 50) return invalid("Tags");
      const answer = await forward();
      const { SnapshotId } = JSON.parse(answer.body) as { SnapshotId: string };
      await this.dropVolume(region, SnapshotId);
      this.all.set(SnapshotId, { size, request: asked, digests: new Map(), state: "pending", isClosed: false });
      return { ...answer, type: "application/json" };
    }
    if (action === "PutSnapshotBlock") {
      const snapshot = this.all.get(id);
      if (!snapshot) return directError("ResourceNotFoundException", `no snapshot ${id}`, 404);
      if (snapshot.isClosed) return directError("ConflictException", "the snapshot is not pending", 503);
      if (header("x-amz-data-length") !== String(blockSize) || content.length !== blockSize) return invalid("length");
      if (header("x-amz-checksum-algorithm") !== "SHA256") return invalid("checksum algorithm");
      if ((Number(index) + 1) * blockSize > snapshot.size * 2 ** 30) return invalid("block index");
      const digest = createHash("sha256").update(content).digest();
      if (header("x-amz-checksum") !== digest.toString("base64")) return invalid("checksum");
      await forward();
      snapshot.digests.set(Number(index), digest);
      await this.write(id, Number(index), content);
      const headers = { "x-amz-checksum": digest.toString("base64"), "x-amz-checksum-algorithm": "SHA256" };
      return { status: 201, body: "{}", type: "application/json", headers };
    }
    if (action === "CompleteSnapshot") {
      const completed = (request.url ?? "").split("?")[0].split("/").at(-1)!;
      const snapshot = this.all.get(completed);
      if (!snapshot) return directError("ResourceNotFoundException", `no snapshot ${completed}`, 404);
      if (snapshot.isClosed) return directError("ConflictException", "the snapshot is not pending", 503);
      if (header("x-amz-changedblockscount") !== String(snapshot.digests.size)) return invalid("ChangedBlocksCount");
      if (header("x-amz-checksum-aggregation-method") !== "LINEAR") return invalid("aggregation method");
      const all = createHash("sha256");
      for (const at of [...snapshot.digests.keys()].sort((a, b) => a - b)) all.update(snapshot.digests.get(at)!);
      if (header("x-amz-checksum") !== all.digest("base64")) return invalid("aggregate checksum");
      snapshot.isClosed = true;
      void delay(pace).then(() => (snapshot.state = "completed"));
      await forward();
      return { status: 202, body: JSON.stringify({ Status: "pending" }), type: "application/json" };
    }
    return invalid(`the test cloud does not know ${action}`);
  }

  /** The file with a snapshot's disk. */
  diskOf(id: string): string | undefined {
    return this.folder && join(this.folder, `${id}.raw`);
  }

  private async write(id: string, index: number, content: Buffer): Promise<void> {
    const disk = this.diskOf(id);
    if (disk === undefined) return;
    const file = await open(disk, "a+").then(async (made) => (await made.close(), open(disk, "r+")));
    try {
      const { size } = await file.stat();
      const whole = this.all.get(id)!.size * 2 ** 30;
      if (size < whole) await file.truncate(whole);
      await file.write(content, 0, content.length, index * blockSize);
    } finally {
      await file.close();
    }
  }
}
