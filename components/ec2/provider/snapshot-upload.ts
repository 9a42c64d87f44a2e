// Uploads a raw disk to an EBS snapshot with the EBS direct APIs, without S3 or an import role. Sends only blocks with
// data. https://docs.aws.amazon.com/ebs/latest/userguide/ebs-accessing-snapshot.html
import { createHash } from "node:crypto";
import { setMaxListeners } from "node:events";
import { open, type FileHandle } from "node:fs/promises";
import type { EBS } from "@aws-sdk/client-ebs";
import { gibibyte } from "../../../common/sizes.ts";
import { UserError } from "../../../common/user-error.ts";
import { dataBlocks } from "../../local/provider/disk/data-blocks.ts";
import { uploadProgress } from "../../../provider/kit/upload-progress.ts";
import { rest, waitFor } from "../../../provider/kit/wait.ts";
import type { Context } from "../../../provider/resource.ts";
import { ebs, ec2, errorCode } from "./client.ts";
import { removeSnapshot } from "./images.ts";
import { noteImport, notedImport, type NotedImport, type Sent } from "./import-journal.ts";
import type { Tags } from "./tagged-resources.ts";

/** The only size EBS accepts. */
const blockSize = 512 * 1024;
/** Parallel uploads: enough for a gigabit line, with 12 MiB of memory. */
const parallel = 24;
/** Seconds to keep retrying a throttled block after the SDK's own retries, or to wait for a call without an answer. */
const patience = 600;
/** Minutes without a block after which AWS abandons a snapshot. */
const timeout = 120;
/** Seconds that AWS may take to complete a snapshot that has all its blocks. */
const completionDeadline = 3600;

export interface SnapshotToUpload {
  region: string;
  /** The raw disk. */
  disk: string;
  /** Identifies the content: an interrupted upload is only resumed for the same content. */
  content: string;
  /** Size of the disk in bytes; the snapshot's size is rounded up to whole GiB. */
  size: number;
  description: string;
  /** Tags set when it is created. */
  tags: Tags;
  encrypted: boolean;
  kmsKey?: string;
}

/**
 * Uploads a disk, or resumes an interrupted upload.
 * @param begun Existing snapshots with the tags. Useless ones are deleted.
 * @returns the id of the completed snapshot.
 */
export async function uploadSnapshot(
  upload: SnapshotToUpload,
  begun: readonly { id: string; state: string }[],
  context: Context,
): Promise<string> {
  const { region, content } = upload;
  let found: ({ id: string } & Omit<NotedImport, "content">) | undefined;
  for (const { id, state } of begun) {
    const noted = await notedImport(id);
    if (!found && state !== "error" && noted?.content === content) {
      // AWS completes a snapshot only when told so, after checking its blocks. A kill may have prevented the note.
      found = { id, ...noted, isComplete: noted.isComplete || state === "completed" };
    } else await removeSnapshot(region, id, context);
  }
  if (found) context.progress(`continuing with ${found.id}, which already has ${found.done} blocks`);
  const { id, done, sent, isComplete } = found ?? { id: await start(upload), done: 0, isComplete: false };
  if (!isComplete) {
    const all = sent ?? (await sendBlocks(upload, id, done, context));
    await complete(region, id, all, sent !== undefined, context);
    await noteImport(id, { content, done: all.count, sent: all, isComplete: true });
  }
  await waitUntilCompleted(region, id, completionDeadline, context);
  return id;
}

/** Sends the missing blocks, and records on this computer that all are sent. */
async function sendBlocks(upload: SnapshotToUpload, id: string, done: number, context: Context): Promise<Sent> {
  const { content } = upload;
  await noteImport(id, { content, done, isComplete: false });
  const sent = await putBlocks(upload, id, done, context);
  await noteImport(id, { content, done: sent.count, sent, isComplete: false });
  return sent;
}

async function start({ region, size, description, tags, encrypted, kmsKey }: SnapshotToUpload): Promise<string> {
  const { SnapshotId } = await (
    await ebs(region)
  ).startSnapshot({
    VolumeSize: Math.ceil(size / gibibyte),
    Description: description,
    Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
    Timeout: timeout,
    ...(encrypted && { Encrypted: true, ...(kmsKey !== undefined && { KmsKeyArn: kmsKey }) }),
  });
  return SnapshotId!;
}

/** @param done How many of the first blocks are already uploaded: they are read for the checksum, but not sent. */
async function putBlocks(
  { region, disk, content }: SnapshotToUpload,
  snapshot: string,
  done: number,
  { progress, signal }: Context,
): Promise<Sent> {
  const candidates = await dataBlocks(disk, blockSize, signal);
  const file = await open(disk);
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  setMaxListeners(2 * parallel, both);
  try {
    const client = await ebs(region);
    const show = uploadProgress(`snapshot ${snapshot}`, candidates.length * blockSize, progress);
    // In disk order; undefined until a block is sent, "" for a block of zeros.
    const digests = new Array<Buffer | "" | undefined>(candidates.length);
    let [next, leading, count, notedAt] = [0, 0, 0, Date.now()];
    const note = () => noteImport(snapshot, { content, done: leading, isComplete: false });
    const work = async (): Promise<void> => {
      // One buffer per worker keeps memory flat.
      const block = Buffer.alloc(blockSize);
      while (next < candidates.length) {
        both.throwIfAborted();
        const place = next++;
        await readBlock(file, block, candidates[place]);
        if (block.equals(zeros)) digests[place] = "";
        else {
          const digest = createHash("sha256").update(block).digest();
          if (place >= done) await put(client, snapshot, candidates[place], block, digest, both);
          digests[place] = digest;
          count += 1;
        }
        show(blockSize);
        while (leading < candidates.length && digests[leading] !== undefined) leading += 1;
        if (Date.now() - notedAt > 1000 && leading > done) {
          notedAt = Date.now();
          await note();
        }
      }
    };
    const workers = await Promise.allSettled(
      Array.from({ length: parallel }, () =>
        work().catch((error: unknown) => {
          stop.abort(error);
          throw error;
        }),
      ),
    );
    // An interrupted upload resumes after the last block sent. A killed one loses about a second of progress.
    if (stop.signal.aborted && leading > done) await note();
    signal.throwIfAborted();
    if (workers.some(({ status }) => status === "rejected")) throw stop.signal.reason;
    const aggregate = createHash("sha256");
    for (const digest of digests) aggregate.update(digest!);
    return { count, aggregate: aggregate.digest("base64") };
  } finally {
    await file.close();
  }
}

const zeros = Buffer.alloc(blockSize);

/** Reads a block, padded with zeros at the end of the disk. */
async function readBlock(file: FileHandle, block: Buffer, index: number): Promise<void> {
  let filled = 0;
  for (let read = 1; filled < blockSize && read > 0; filled += read) {
    read = (await file.read(block, filled, blockSize - filled, index * blockSize + filled)).bytesRead;
  }
  block.fill(0, filled);
}

/** Sends one block; backs off while AWS throttles. @throws UserError if AWS received different content. */
async function put(
  client: EBS,
  snapshot: string,
  index: number,
  block: Buffer,
  digest: Buffer,
  signal: AbortSignal,
): Promise<void> {
  const checksum = digest.toString("base64");
  const started = Date.now();
  for (let pause = 500; ; pause = Math.min(pause * 2, 30_000)) {
    try {
      const request = {
        ...{ SnapshotId: snapshot, BlockIndex: index, BlockData: block, DataLength: blockSize },
        ...{ Checksum: checksum, ChecksumAlgorithm: "SHA256" as const },
      };
      const answer = await client.putSnapshotBlock(request, { abortSignal: signal });
      if (answer.Checksum === checksum) return;
      throw new UserError({
        where: `snapshot ${snapshot}, block ${index}`,
        found: `AWS received different content: its SHA256 is ${answer.Checksum}`,
        allowed: checksum,
        cure: "run `pulumi up` again: it continues with the same snapshot",
      });
    } catch (error) {
      signal.throwIfAborted();
      const isThrottled = /Throttl|LimitExceeded|TooManyRequests/.test(errorCode(error));
      if (!isThrottled || Date.now() - started > patience * 1000) throw error;
      await rest(pause * (0.5 + Math.random() / 2), signal);
    }
  }
}

/**
 * Tells AWS that all blocks are there.
 * @param isRepeated Whether an earlier run may have done that.
 */
async function complete(
  region: string,
  snapshot: string,
  { count, aggregate }: Sent,
  isRepeated: boolean,
  context: Context,
): Promise<void> {
  const client = await ebs(region);
  try {
    await client.completeSnapshot({
      SnapshotId: snapshot,
      ChangedBlocksCount: count,
      Checksum: aggregate,
      ChecksumAlgorithm: "SHA256",
      ChecksumAggregationMethod: "LINEAR",
    });
  } catch (error) {
    const { attempts = 1 } = (error as { $metadata?: { attempts?: number } }).$metadata ?? {};
    const mayBeSecond = isRepeated || attempts > 1;
    if (!mayBeSecond || !/Conflict|Validation/.test(errorCode(error))) throw error;
    // AWS refuses a second call if it got the first one and is putting the blocks together.
    await waitUntilCompleted(region, snapshot, patience, context).catch((reason: Error) => {
      context.signal.throwIfAborted();
      throw new Error(`${(error as Error).message}; ${reason.message}`, { cause: error });
    });
  }
}

async function waitUntilCompleted(region: string, id: string, deadline: number, context: Context): Promise<void> {
  const client = await ec2(region);
  await waitFor(
    {
      what: `snapshot ${id} in ${region}`,
      until: "to be completed",
      deadline,
      lookAt: `aws ec2 describe-snapshots --region ${region} --snapshot-ids ${id}`,
      async look() {
        const { Snapshots } = await client.describeSnapshots({ SnapshotIds: [id] });
        const { State = "unknown", StateMessage } = Snapshots?.[0] ?? {};
        if (State === "completed") return { done: undefined };
        if (State !== "error") return { state: State };
        return {
          failed: `it is in error: ${StateMessage ?? "AWS gives no reason"}`,
          cure: "`pulumi up` makes another",
        };
      },
    },
    context,
  );
}
