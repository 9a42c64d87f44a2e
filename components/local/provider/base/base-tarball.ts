// Base images from a tarball of an installed root: a file or a URL.
import { execa } from "execa";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { UserError } from "../../../../common/user-error.ts";
import { needDisk } from "./base-cache.ts";
import { checkRoot } from "./base-directory.ts";
import { sha256OfFile } from "../disk/file-digest.ts";
import type { BaseSource, Progress, ResolvedBase } from "../types.ts";

type TarballSource = Extract<BaseSource, { kind: "tarball" }>;

/** The first bytes of compressed files, and tar's option for them. */
const compressions: [string, string][] = [
  ["1f8b", "--gzip"],
  ["fd377a585a", "--xz"],
  ["28b52ffd", "--zstd"],
  ["425a68", "--bzip2"],
];

/** `resolveBase` for a tarball. A file is read; a URL is not, because the source has its checksum. */
export async function resolveTarball(source: TarballSource, projectDirectory: string): Promise<ResolvedBase> {
  const { location } = source;
  const expected = source.sha256?.toLowerCase();
  if (isUrl(location)) {
    if (expected === undefined) {
      const allowed = "a URL with the sha256 of its file";
      throw new UserError({
        where: location,
        key: "sha256",
        found: "is missing",
        allowed,
        cure: "add `sha256:` to `base`",
      });
    }
    return describeTarball(source, location, expected);
  }
  const path = resolve(projectDirectory, location);
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error || !found.isFile()) {
    const why = found instanceof Error ? `can't be read (${found.code})` : "is not a file";
    throw new UserError({ where: path, found: why, allowed: "a tarball of an installed root file system" });
  }
  const actual = await sha256OfFile(path);
  if (expected !== undefined && actual !== expected) throw wrongChecksum(path, expected, actual);
  return describeTarball(source, path, actual);
}

/** Unpacks the tarball, and checks its checksum on the way. */
export async function buildFromTarball(
  source: TarballSource,
  base: ResolvedBase,
  root: string,
  progress: Progress,
  signal?: AbortSignal,
): Promise<void> {
  const { location } = source;
  progress(`unpacking ${location}`);
  const { stream, bytes } = await openTarball(location, signal);
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = await chunks.next();
  const start = first.done ? Buffer.alloc(0) : first.value;
  const compression = compressions.find(([magic]) => start.subarray(0, 8).toString("hex").startsWith(magic))?.[1];
  await needDisk(2 ** 28 + bytes * (compression === undefined ? 1 : 4), "unpacking the base tarball");
  const options = [
    "--extract",
    "--numeric-owner",
    "--same-owner",
    "--preserve-permissions",
    "--xattrs",
    "--xattrs-include=*",
  ];
  const tar = execa("tar", [...options, ...(compression ? [compression] : []), "--directory", root, "--file=-"], {
    stdin: "pipe",
    cancelSignal: signal,
  });
  const hash = createHash("sha256");
  const feed = pipeline(hashed(start, chunks, hash), tar.stdin, { signal });
  const [fed, unpacked] = await Promise.allSettled([feed, tar]);
  signal?.throwIfAborted();
  // tar may finish before the end of the file, which still belongs to the checksum.
  for (let chunk = await chunks.next(); !chunk.done; chunk = await chunks.next()) hash.update(chunk.value);
  // If tar ends early, it closes its end of the pipe; any other failure to feed it is the source's fault.
  const cause = fed.status === "rejected" ? (fed.reason as NodeJS.ErrnoException) : undefined;
  if (cause && !["EPIPE", "ERR_STREAM_PREMATURE_CLOSE"].includes(cause.code ?? "")) {
    throw new UserError({
      where: location,
      found: `can't be read to its end (${cause.message})`,
      cure: "run the command again",
    });
  }
  const actual = hash.digest("hex");
  const expected = base.id.replace("tarball-", "");
  if (actual !== expected) throw wrongChecksum(location, expected, actual);
  if (unpacked.status === "rejected") {
    const { stderr } = unpacked.reason as { stderr?: string };
    const allowed = "a tar archive, plain or compressed by gzip, xz, zstd or bzip2";
    throw new UserError({ where: location, found: `can't be unpacked: ${stderr ?? String(unpacked.reason)}`, allowed });
  }
  await checkRoot(root, location);
}

async function* hashed(start: Buffer, chunks: AsyncIterator<Buffer>, hash: ReturnType<typeof createHash>) {
  for (let chunk: Buffer | undefined = start; chunk !== undefined;) {
    hash.update(chunk);
    yield chunk;
    const next = await chunks.next();
    chunk = next.done ? undefined : next.value;
  }
}

async function openTarball(location: string, signal?: AbortSignal): Promise<{ stream: Readable; bytes: number }> {
  if (!isUrl(location)) return { stream: createReadStream(location), bytes: (await stat(location)).size };
  const complaint = { where: location, cure: "check the URL, and that this computer reaches it" };
  const response = await fetch(location, { signal }).catch((error: Error) => {
    signal?.throwIfAborted();
    throw new UserError({
      ...complaint,
      found: `can't be downloaded (${error.cause instanceof Error ? error.cause.message : error.message})`,
    });
  });
  if (!response.ok || !response.body) throw new UserError({ ...complaint, found: `answers ${response.status}` });
  return { stream: Readable.fromWeb(response.body), bytes: Number(response.headers.get("content-length") ?? 0) };
}

function describeTarball(source: TarballSource, location: string, sha256: string): ResolvedBase {
  return { source: { ...source, location, sha256 }, id: `tarball-${sha256}`, description: `tarball ${location}` };
}

function wrongChecksum(where: string, expected: string, found: string): UserError {
  return new UserError({
    where,
    key: "sha256",
    found,
    allowed: expected,
    cure: "correct `sha256` if the file was meant to change; otherwise get the file again",
  });
}

function isUrl(location: string): boolean {
  return /^https?:\/\//.test(location);
}
