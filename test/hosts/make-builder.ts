// Runs on a host: `node --import tsx make-builder.ts BASE NAME` makes a builder on the root BASE. NAME.key is its
// private key, and `ssh -F NAME.config builder` logs in to it.
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { createMachine } from "../../components/local/provider/machine/machines.ts";
import { builderSpec } from "../components/local/support.ts";

const [base, name] = process.argv.slice(2);
const { spec, privateKey } = builderSpec(base, 24 * 3600);
const { connection } = await createMachine(spec, console.log);
const file = (extension: string): string => resolve(`${name}.${extension}`);
await writeFile(file("key"), privateKey, { mode: 0o600 });
await writeFile(file("known"), `builder ${connection.hostKey}\n`);
const settings = {
  ...{ HostName: connection.host, Port: connection.port, User: connection.user, IdentityFile: file("key") },
  ...{ HostKeyAlias: "builder", UserKnownHostsFile: file("known"), BatchMode: "yes" },
};
const lines = Object.entries(settings).map(([key, value]) => `  ${key} ${value}\n`);
await writeFile(file("config"), `Host builder\n${lines.join("")}`);
