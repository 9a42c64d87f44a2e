// `npm run test:account -- --cloud ec2|gce|openstack`: tests the whole life cycle in your account. Bakes a small image,
// checks that nothing changes, edits the recipe, destroys everything, and checks for leftovers. Always cleans up, even
// after Ctrl-C.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { ask } from "../../cli/ask.ts";
import { runTool, ToolProblem } from "../../toolchain/problem.mjs";
import { setUp } from "../../toolchain/setup.mjs";
import { projectDirectory } from "../../toolchain/versions.mjs";
import { accounts, type AccountTest } from "./accounts.ts";
import { testAccount } from "./life-cycle.ts";

const usage = `npm run test:account -- --cloud ${Object.keys(accounts).join("|")} [--settings FILE] [--distribution NAME] [--yes]`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      cloud: { type: "string" },
      settings: { type: "string" },
      distribution: { type: "string", default: "debian12" },
      yes: { type: "boolean", default: false },
    },
  });
  const account = accounts[values.cloud ?? ""];
  if (account === undefined) throw new ToolProblem(`--cloud ${values.cloud ?? "is missing"}`, usage);
  const file = values.settings ?? join(projectDirectory, account.file);
  const settings = await settingsOf(file, account);
  await setUp("cloud");
  console.log(`\n${account.cost}\nSettings come from ${file}; credentials come from the environment.\n`);
  if (!values.yes) await confirm();
  process.exitCode = await testAccount(account, settings, values.distribution);
}

/** Reads the cloud's own settings, `sshFrom` and `bastion` from the stack's file; the disk is small by default. */
async function settingsOf(file: string, { cloud, small }: AccountTest): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new ToolProblem(`${file} can't be read (${(error as NodeJS.ErrnoException).code})`, usage);
  }
  const { config = {} } = (parse(text) ?? {}) as { config?: Record<string, unknown> };
  const of = (key: string) => config[`ci-images:${key}`];
  const own = { ...small, ...(of(cloud) as object | undefined) };
  const shared = ["sshFrom", "bastion"].flatMap((key) => (of(key) === undefined ? [] : [[key, of(key)]]));
  return { [cloud]: own, ...(Object.fromEntries(shared) as object) };
}

async function confirm(): Promise<void> {
  if (!process.stdin.isTTY) throw new ToolProblem("no terminal to ask on", "pass --yes");
  const answer = await ask("Begin? [y/N] ");
  if (!/^y(es)?$/i.test(answer?.trim() ?? "")) throw new ToolProblem("not started", "answer y, or pass --yes");
}

await runTool(main);
