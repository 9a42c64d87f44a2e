// Uploads a file or folder from this computer to a builder, before a module's script needs it.
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { Readable } from "node:stream";
import { UserError } from "../../common/user-error.ts";
import { listPacked, packedStream, type PackedEntry } from "../../common/pack.ts";
import { receiveProgram } from "../../provision/builder/receive.ts";
import { runAsRoot } from "../../provision/builder/runner.ts";
import { quote } from "../../provision/shell/shell.ts";
import type { InputsOf } from "../../common/contract.ts";
import { Upload } from "../../components/shared/contract.ts";
import { implement, type Context } from "../resource.ts";
import { runOver } from "../ssh.ts";

/** Deleting this resource removes nothing on the builder: sealing does. */
export const upload = implement(Upload, {
  async create(inputs, context) {
    if (await isPresent(inputs, context)) context.progress("its module came with a layer");
    else await send(inputs, context);
    return { id: basename(inputs.destination), outputs: inputs };
  },
});

async function isPresent({ present, connection }: InputsOf<typeof Upload>, context: Context): Promise<boolean> {
  if (!present) return false;
  const command = `grep -sx ${quote(present.prefix)} ${quote(present.file)}`;
  const { output } = await runOver(connection, command, Readable.from([]), context);
  return output.trim() === present.prefix;
}

/**
 * Packs and sends the source; the builder checks its digest.
 * @throws UserError if the source has changed since the preview, or the builder could not receive it.
 */
export async function send(
  { connection, source, destination, sha256 }: InputsOf<typeof Upload>,
  context: Context,
): Promise<void> {
  const where = `upload of ${source} to the builder`;
  let entries: PackedEntry[];
  const sent = createHash("sha256");
  async function* input(): AsyncGenerator<Buffer> {
    yield Buffer.from(
      receiveProgram(
        destination,
        sha256,
        entries.some(({ capability }) => capability),
      ),
    );
    for await (const part of withProgress(packedStream(entries), entries, context)) {
      sent.update(part);
      yield part;
    }
  }
  try {
    entries = listPacked(source);
    const { status, output } = await runOver(connection, runAsRoot, input(), context);
    if (status === 0) return;
    if (sent.digest("hex") !== sha256 && output.includes("what arrived has")) throw new Error("it has changed since");
    const ending = status === undefined ? "the connection was lost" : `exit status ${status}`;
    const found = [`it failed (${ending})`, output.trim()].filter(Boolean).join(": ");
    throw new UserError({ where, found, cure: "run `pulumi up` again: it resumes here" });
  } catch (error) {
    context.signal.throwIfAborted();
    if (error instanceof UserError) throw error;
    const cure = "run `pulumi up` again; if the files were edited meanwhile, it starts with a fresh builder";
    throw new UserError({ where, found: (error as Error).message, cure });
  }
}

/** Passes the parts on, and shows the progress every second. */
async function* withProgress(
  parts: AsyncIterable<Buffer>,
  entries: readonly PackedEntry[],
  { progress }: Context,
): AsyncGenerator<Buffer> {
  const total = entries.reduce((sum, { size }) => sum + size, 0);
  let sent = 0;
  let shown = Date.now();
  for await (const part of parts) {
    yield part;
    sent += part.length;
    if (Date.now() - shown < 1000) continue;
    shown = Date.now();
    progress(`uploading: ${mebibytes(sent)} of ${mebibytes(total)} MiB`, true);
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(0);
}
