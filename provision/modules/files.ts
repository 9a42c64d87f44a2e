// Puts files of the user's own into the image.
import { createHash } from "node:crypto";
import { UserError } from "../../common/user-error.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { keepScript, keepSecretScript } from "../seal/kept.ts";
import { holdsSecret, showSecrets } from "../secret-text.ts";
import { settingsOf } from "../settings.ts";
import { quote } from "../shell.ts";

export const description = "Puts files into the image, with their content in the recipe or in files beside it";
export const settingsRequired = true;

const common = {
  path: {
    type: "string",
    pattern: "^/[^\\n]*[^/\\n]$",
    description: "Where the file goes in the image: an absolute path.",
    examples: ["/etc/motd"],
  },
  mode: {
    type: "string",
    pattern: "^[0-7]{3,4}$",
    description:
      'Its mode, octal, in quotation marks; "0644" unless told, "0600" for a secret. A folder\'s files keep the modes they have in the source unless told.',
    examples: ["0600"],
  },
  owner: {
    type: "string",
    pattern: "^[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+$",
    default: "root:root",
    description: "Its owner and group; both have to exist when the module runs.",
    examples: ["www-data:www-data"],
  },
};

export const settings = {
  type: "array",
  minItems: 1,
  description: "The files, each with `content` or with `source`.",
  examples: [
    [
      { path: "/etc/motd", content: "A CI worker.\n" },
      { path: "/etc/ssl/private/worker.key", source: "worker.key", mode: "0600" },
    ],
  ],
  items: {
    type: "object",
    additionalProperties: false,
    required: ["path"],
    properties: {
      ...common,
      content: {
        type: "string",
        description: "The file's whole text, or `{ secret: NAME }` together with `keep_secret: true`.",
        examples: ["A CI worker.\n"],
      },
      keep_secret: {
        type: "boolean",
        default: false,
        examples: [true],
        description:
          "Says that the image is to hold the secret in this file. Without it a secret is refused, since whoever boots the image can read it.",
      },
      source: {
        type: "string",
        minLength: 1,
        description: "A file or folder of this computer, relative to the recipe's folder, to be copied to `path`.",
        examples: ["files/worker.conf"],
      },
    },
    oneOf: [{ required: ["content"] }, { required: ["source"] }],
  },
};

/** One file of the setting `files`. */
export interface FileEntry {
  path: string;
  content?: string;
  source?: string;
  keep_secret?: boolean;
  mode?: string;
  owner?: string;
}

/**
 * Records the files. Sealing leaves them alone, wherever they are: who writes a file's path into a recipe means it.
 * @throws UserError when a source can't be read.
 */
export function modify(_name: string, root: Root, cfg: BuildConfiguration): void {
  const entries = settingsOf<FileEntry[]>(cfg, "files", []);
  for (const entry of entries) {
    if (entry.source === undefined) put(root, entry);
    else copy(root, entry.source, entry);
  }
  root.run(keepScript(...entries.map((entry) => entry.path)));
}

function put(root: Root, { path, content = "", mode, owner = "root:root", keep_secret }: FileEntry): void {
  if (holdsSecret(content)) {
    putSecret(root, { path, content, mode, owner, keep_secret });
    return;
  }
  putText(root, path, content, mode ?? "0644", owner);
}

function putSecret(
  root: Root,
  { path, content = "", mode = "0600", owner = "root:root", keep_secret }: FileEntry,
): void {
  if (!keep_secret) {
    throw new UserError({
      where: "module files",
      key: path,
      found: `its content is ${showSecrets(content)}, and whoever boots the image could read it`,
      cure: "add `keep_secret: true` to the file if that is meant",
    });
  }
  root.file(path, content, { mode, owner });
  root.run(keepSecretScript(path));
  root.check(`${path} holds something, with mode ${mode}`, `${hasMode(path, mode, owner)} && [ -s ${quote(path)} ]`);
}

function putText(root: Root, path: string, content: string, mode: string, owner: string): void {
  root.file(path, content, { mode, owner });
  const digest = createHash("sha256").update(content).digest("hex");
  root.check(
    `${path} is as the recipe says, with mode ${mode}`,
    `${hasMode(path, mode, owner)} && [ "$(sha256sum <${quote(path)})" = "${digest}  -" ]`,
  );
}

function copy(root: Root, source: string, { path, mode, owner = "root:root" }: FileEntry): void {
  const from = quote(root.upload(source));
  const to = quote(path);
  root.run(
    [
      `mkdir -p "$(dirname ${to})"`,
      `if [ -d ${from} ]; then`,
      `  cp --recursive --no-target-directory --preserve=mode,links,timestamps ${from} ${to}`,
      `  chown -R ${quote(owner)} ${to}`,
      ...(mode ? [`  find ${to} -type f -exec chmod ${mode} {} +`] : []),
      `else`,
      // Born with its final mode, so that a secret is never open for a moment.
      `  install -m ${mode ?? "0644"} -o ${quote(owner.split(":")[0] ?? "")} -g ${quote(owner.split(":")[1] ?? "")} ${from} ${to}`,
      `fi`,
    ].join("\n"),
  );
  root.check(`${path} is there`, `[ "$(stat -c %U:%G ${to})" = ${quote(owner)} ]`);
}

function hasMode(path: string, mode: string, owner: string): string {
  return `[ "$(stat -c '%a %U:%G' ${quote(path)})" = ${quote(`${mode.replace(/^0+(?=.)/, "")} ${owner}`)} ]`;
}
