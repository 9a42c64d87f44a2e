// Checks the bastion's host key and our login before anything is made. Otherwise a bake would wait in vain for the
// first machine.
import { homedir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { dial } from "../../common/ssh-dial.mjs";
import { UserError } from "../../common/user-error.ts";
import { bastion as contract } from "../../components/shared/contract.ts";
import { answer } from "../resource.ts";

/** OpenSSH's files of known host keys. */
function knownHosts(): string[] {
  return [join(homedir(), ".ssh", "known_hosts"), join(homedir(), ".ssh", "known_hosts2"), "/etc/ssh/ssh_known_hosts"];
}

/** Key types that the command plugin can use, best first. Not RSA, for which it requests SHA-1 signatures. */
const kinds = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"];

export const bastion = answer(contract, async (inputs, { signal, progress }) => {
  const { user, host, port, privateKey } = inputs;
  const place = `${user}@${host.includes(":") ? `[${host}]` : host}:${port}`;
  const where = `the bastion ${place} (stack setting ci-images:bastion)`;
  const hostKey = inputs.hostKey ?? (await findHostKey(where, host, port));
  try {
    const connection = { user, host, port, hostKey, privateKey, dialErrorLimit: 2, perDialTimeout: 15 };
    const client = await dial(connection, signal, (line) => progress(`${where}: ${line}`, true));
    client.end();
  } catch (error) {
    signal.throwIfAborted();
    throw new UserError({ where, ...explain(error as Error, privateKey !== undefined) });
  }
  return { hostKey };
});

function explain({ message }: Error, hasKey: boolean): { found: string; cure?: string } {
  const found = message.replace(/^after \d+ failed attempts: /, "");
  if (/host key mismatch/.test(message)) {
    return {
      found: "shows a host key other than the known one",
      cure: "find out why; then set ci-images:bastion.hostKey",
    };
  }
  if (!/unable to authenticate/.test(message)) return { found };
  if (hasKey) return { found: `refuses the key of ci-images:bastion (${found})` };
  const agent = process.env.SSH_AUTH_SOCK
    ? "refuses the keys of the SSH agent"
    : "needs a key, and there is no SSH agent";
  return { found: agent, cure: "ssh-add the key, or set ci-images:bastion.privateKeyFile or .privateKeySecret" };
}

async function findHostKey(where: string, host: string, port: number): Promise<string> {
  const name = port === 22 ? host : `[${host}]:${port}`;
  const lines = (await Promise.all(knownHosts().map((file) => lookUp(where, name, file)))).flat();
  const revoked = lines.filter(([marker]) => marker === "@revoked").map((words) => words[3]);
  const usable = lines
    .filter(([marker]) => !marker.startsWith("@"))
    .map(([, kind, key]) => ({ kind, key }))
    .filter(({ kind, key }) => kinds.includes(kind) && !revoked.includes(key))
    .sort((one, other) => kinds.indexOf(one.kind) - kinds.indexOf(other.kind));
  if (usable.length > 0) return `${usable[0].kind} ${usable[0].key}`;
  throw new UserError({
    where,
    found: `its host key is not known: none of kind ${kinds.join(", ")} in ${knownHosts().join(", ")}`,
    cure: `ssh-keyscan -t ed25519 -p ${port} ${host}, compare the key with the bastion's own, and set it as ci-images:bastion.hostKey; or log in once by ssh`,
  });
}

/** The words of the lines about a host in a known_hosts file; OpenSSH resolves hashed names. */
async function lookUp(where: string, name: string, file: string): Promise<string[][]> {
  const { stdout, exitCode, failed, code } = await execa("ssh-keygen", ["-F", name, "-f", file], { reject: false });
  if (failed && code === "ENOENT") {
    const cure = "install OpenSSH's client (apt install openssh-client), or set ci-images:bastion.hostKey";
    throw new UserError({ where, found: "its host key can't be looked up: there is no ssh-keygen", cure });
  }
  // ssh-keygen also fails if the file doesn't exist.
  if (exitCode !== 0) return [];
  const lines = stdout.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  return lines.map((line) => line.trim().split(/\s+/));
}
