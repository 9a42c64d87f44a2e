// Packs a file or folder on this computer into a tar stream for an upload. The same content gives the same bytes on
// every computer, so the stream's sha256 is the upload's digest, and the builder can check it.
import { execFileSync } from "node:child_process";
import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, statSync, type Stats } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { Header } from "tar";

/** The name of the packed file or folder in the stream; a folder's content is below it. */
export const packedName = "content";

/** A file that can't be packed; the message begins with its path. */
export class UnfitFile extends Error {}

/** One file, folder or link of a source. */
export interface PackedEntry {
  type: "File" | "Directory" | "SymbolicLink" | "Link";
  /** Its name in the stream. */
  name: string;
  /** Its path on this computer. */
  path: string;
  /** The mode in the stream. */
  mode: number;
  /** Bytes of a file's content; 0 for everything else. */
  size: number;
  /** The target of a symbolic link; for another hard link to a file, the name of the first. */
  target?: string;
  /** A program's capabilities: the extended attribute `security.capability`. */
  capability?: Buffer;
}

const block = 512;
const chunk = 1024 ** 2;

/**
 * Lists the entries to pack, folders before their content, sorted by the bytes of their names.
 * @param source A file or folder; a symbolic link is followed. Links inside a folder are packed as links.
 * @throws UnfitFile for sockets, pipes, devices, and names that are not UTF-8; the file system's error for unreadable
 *   files.
 */
export function listPacked(source: string): PackedEntry[] {
  const entries: PackedEntry[] = [];
  const linked = new Map<string, string>();
  const visit = (path: string, name: string, facts: Stats): void => {
    const mode = modeOf(facts);
    if (facts.isSymbolicLink()) {
      const target = readlinkSync(path, "buffer");
      entries.push({
        type: "SymbolicLink",
        name,
        path,
        mode: 0o777,
        size: 0,
        target: text(target, `${path}: its target`),
      });
    } else if (facts.isDirectory()) {
      entries.push({ type: "Directory", name: `${name}/`, path, mode, size: 0 });
      for (const child of readdirSync(path, "buffer").sort((one, other) => Buffer.compare(one, other))) {
        const childName = text(child, `${path}: the name ${JSON.stringify(child.toString("latin1"))}`);
        const childPath = join(path, childName);
        visit(childPath, `${name}/${childName}`, lstatSync(childPath));
      }
    } else if (facts.isFile()) {
      const first = facts.nlink > 1 ? firstName(linked, path, name) : undefined;
      if (first === undefined) entries.push({ type: "File", name, path, mode, size: facts.size });
      else entries.push({ type: "Link", name, path, mode, size: 0, target: first });
    } else throw new UnfitFile(`${path} is ${kindOf(facts)}`);
  };
  visit(source, packedName, statSync(source));
  addCapabilities(entries);
  return entries;
}

/**
 * sha256 of {@link packedStream}'s output, hexadecimal. Blocks while it reads.
 * @throws like {@link listPacked}; UnfitFile if a file changes meanwhile.
 */
export function digestOfPacked(source: string): string {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(chunk);
  for (const entry of listPacked(source)) {
    hash.update(headerOf(entry));
    if (entry.type !== "File") continue;
    const file = openSync(entry.path, "r");
    try {
      let left = entry.size;
      for (let got = -1; left > 0 && got !== 0; left -= got) {
        got = readSync(file, buffer, 0, Math.min(chunk, left), null);
        hash.update(buffer.subarray(0, got));
      }
      if (left > 0 || readSync(file, buffer, 0, 1, null) > 0) throw changed(entry);
    } finally {
      closeSync(file);
    }
    hash.update(paddingOf(entry));
  }
  return hash.update(endOfStream).digest("hex");
}

/**
 * The tar stream: POSIX format, everything owned by root, no times. Holds at most 1 MiB of a file in memory.
 * @param entries From {@link listPacked}.
 * @throws UnfitFile if a file's size changes meanwhile; the file system's error for unreadable files.
 */
export async function* packedStream(entries: readonly PackedEntry[]): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    yield headerOf(entry);
    if (entry.type !== "File") continue;
    const file = await open(entry.path, "r");
    try {
      let left = entry.size;
      while (left > 0) {
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(chunk, left)));
        if (bytesRead === 0) throw changed(entry);
        left -= bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
    yield paddingOf(entry);
  }
  yield endOfStream;
}

const endOfStream = Buffer.alloc(2 * block);

function paddingOf({ size }: PackedEntry): Buffer {
  return Buffer.alloc((block - (size % block)) % block);
}

function headerOf(entry: PackedEntry): Buffer {
  const { type, name, mode, size, target, capability } = entry;
  const fields = { uid: 0, gid: 0, uname: "root", gname: "root", mtime: new Date(0) };
  const header = Buffer.alloc(block);
  const records: Buffer[] = [];
  // True if something is too long for the old header: pax records before it then have the full values.
  if (new Header({ ...fields, type, path: name, mode, size, linkpath: target }).encode(header, 0)) {
    records.push(paxRecord("path", Buffer.from(name)));
    records.push(paxRecord("size", Buffer.from(String(size))));
    if (target !== undefined) records.push(paxRecord("linkpath", Buffer.from(target)));
  }
  if (capability) records.push(paxRecord("SCHILY.xattr.security.capability", capability));
  if (records.length === 0) return header;
  const body = Buffer.concat(records);
  const pax = Buffer.alloc(block);
  const about = { ...fields, type: "ExtendedHeader", path: "PaxHeader", mode: 0o644, size: body.length } as const;
  new Header(about).encode(pax, 0);
  return Buffer.concat([pax, body, Buffer.alloc((block - (body.length % block)) % block), header]);
}

/** `LENGTH KEY=VALUE\n`, where the length counts its own digits. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/**
 * Removes the group's write permission unless everybody has it: in a checkout it depends on the umask, and in the image
 * the group is root.
 */
function modeOf({ mode }: Stats): number {
  const all = mode & 0o7777;
  return (all & 0o002) === 0 ? all & ~0o020 : all;
}

function kindOf(facts: Stats): string {
  if (facts.isSocket()) return "a socket";
  if (facts.isFIFO()) return "a named pipe";
  return "a device";
}

/** The name under which this file is already packed; if there is none, records this name. */
function firstName(linked: Map<string, string>, path: string, name: string): string | undefined {
  // Inode numbers of overlay file systems exceed a JavaScript number.
  const { dev, ino } = lstatSync(path, { bigint: true });
  const key = `${dev}:${ino}`;
  const first = linked.get(key);
  if (first === undefined) linked.set(key, name);
  return first;
}

function text(bytes: Buffer, what: string): string {
  if (!isUtf8(bytes)) throw new UnfitFile(`${what} is not UTF-8`);
  return bytes.toString("utf8");
}

function changed({ path }: PackedEntry): UnfitFile {
  return new UnfitFile(`${path} changed while it was read`);
}

/** Python, because Node can't read extended attributes. Only Linux has this one. */
const readCapabilities = `
import os, sys
for index, path in enumerate(sys.stdin.buffer.read().split(b"\\0")):
    try:
        print(index, os.getxattr(path, "security.capability", follow_symlinks=False).hex())
    except OSError:
        pass
`;

function addCapabilities(entries: readonly PackedEntry[]): void {
  const programs = entries.filter(({ type, mode }) => type === "File" && (mode & 0o111) !== 0);
  if (programs.length === 0 || process.platform !== "linux") return;
  let found: string;
  try {
    const input = programs.map(({ path }) => path).join("\0");
    found = execFileSync("python3", ["-IS", "-c", readCapabilities], {
      input,
      encoding: "utf8",
      maxBuffer: 256 * chunk,
    });
  } catch (error) {
    // docs/recipes.md says that capabilities need Python.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  for (const line of found.split("\n").filter(Boolean)) {
    const [index = "", hex = ""] = line.split(" ");
    const program = programs[Number(index)];
    if (program) program.capability = Buffer.from(hex, "hex");
  }
}
