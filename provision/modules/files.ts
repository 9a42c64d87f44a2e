// Puts the user's own files into the image.
import { posix } from "node:path";
import { UserError } from "../../common/user-error.ts";
import { sha256 } from "../plan/digest.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { keepScript, keepSecretScript, ownFolder } from "../seal/kept.ts";
import { holdsSecret, showSecrets } from "../shell/secret-text.ts";
import {
  argumentsIn,
  commandLineFile,
  fstabFile,
  isAboutRoot,
  isForOwnDisk,
  isRemark,
  mergedFiles,
} from "./shared/merged-files.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote, quoteAll } from "../shell/shell.ts";

export const description = "Puts files into the image, with their content in the recipe or in files beside it";
export const settingsRequired = true;

const common = {
  path: {
    type: "string",
    pattern: "^/[^\\n]*[^/\\n]$",
    description: "The file's absolute path in the image.",
    examples: ["/etc/motd"],
  },
  mode: {
    type: "string",
    pattern: "^[0-7]{3,4}$",
    description:
      'Its mode, octal, in quotation marks; by default "0644", or "0600" for a secret. By default a folder\'s files keep the modes of the source.',
    examples: ["0600"],
  },
  owner: {
    type: "string",
    pattern: "^[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+$",
    default: "root:root",
    description: "Its owner and group. Both must exist when the module runs.",
    examples: ["www-data:www-data"],
  },
};

export const settings = {
  type: "array",
  minItems: 1,
  description:
    "The files, each with `content` or `source`. In an image of `local`, `/etc/fstab` and `/etc/kernel/cmdline` also have what the disk needs to boot, and the lines for `/` and the boot partition are the disk's own; your other lines and words, the mode and the owner stay.",
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
          "Confirms that the image will contain a secret in this file. Without it a secret is refused, because anyone who boots the image can read it.",
      },
      source: {
        type: "string",
        minLength: 1,
        description:
          "A file or folder on this computer to copy to `path`, with links, modes and empty folders; relative to the recipe's folder. If the target folder exists, the source's contents are added to it.",
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
 * Records the files. Sealing keeps them, wherever they are: a path written in a recipe is intended.
 * @throws UserError if a source can't be read.
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
      found: `its content is ${showSecrets(content)}, which anyone who boots the image could read`,
      cure: "if that is intended, add `keep_secret: true` to the file",
    });
  }
  root.file(path, content, { mode, owner });
  root.run(keepSecretScript(path));
  root.check(`${path} holds something, with mode ${mode}`, `${hasMode(path, mode, owner)} && [ -s ${quote(path)} ]`);
}

function putText(root: Root, path: string, content: string, mode: string, owner: string): void {
  root.file(path, content, { mode, owner });
  const merged = mergedCheck(path, content);
  if (merged) {
    root.check(
      `${path} has what the recipe says, with mode ${mode}`,
      `${hasMode(path, mode, owner)} || exit\n${merged}`,
    );
    return;
  }
  root.check(
    `${path} is as the recipe says, with mode ${mode}`,
    `${hasMode(path, mode, owner)} && [ "$(sha256sum <${quote(path)})" = "${sha256(content)}  -" ]`,
  );
}

/**
 * A check of a file that `local` merges with its disk's settings, and that cloud-init or grubby may add to: what the
 * recipe says is in it, except about the disk itself. Undefined for other files.
 */
function mergedCheck(path: string, content: string): string | undefined {
  switch (posix.normalize(path)) {
    case fstabFile: {
      const lines = content.split("\n").filter((line) => !isRemark(line) && !isForOwnDisk(line));
      return `\
for line in ${quoteAll(lines)}; do
  grep -qxF -e "$line" ${fstabFile} || { echo "not in ${fstabFile}: $line"; exit 1; }
done`;
    }
    case commandLineFile: {
      const words = argumentsIn(content).filter((word) => !isAboutRoot(word));
      return `\
text=" $(tr -s '[:space:]' ' ' <${commandLineFile}) "
for word in ${quoteAll(words.map((word) => word.replaceAll(/\s+/g, " ")))}; do
  if [[ $text != *" $word "* ]]; then echo "not in ${commandLineFile}: $word"; exit 1; fi
done`;
    }
    default:
      return undefined;
  }
}

function copy(root: Root, source: string, { path, mode, owner = "root:root" }: FileEntry): void {
  const list = quote(`${listsFolder}/${sha256(path).slice(0, 16)}`);
  const to = quote(path);
  const [user = "", group = ""] = owner.split(":").map(quote);
  const merged = mergedFiles.filter((each) => each.startsWith(`${posix.normalize(path)}/`));
  const mergedNames = merged.map((each) => each.replace(posix.normalize(path), "."));
  root.run(
    [
      `from=${quote(root.upload(source))}`,
      `to=${to}`,
      `mkdir -p "$(dirname "$to")"`,
      `if [ -d "$from" ]; then`,
      ...copyFolder(mode, user, group, list, mergedNames),
      `else`,
      // Created with its final mode, so that a secret is never readable for a moment.
      `  install -T -m ${mode ?? "0644"} -o ${user} -g ${group} "$from" "$to"`,
      `fi`,
    ].join("\n"),
  );
  root.check(
    `${path} is as in the source, and belongs to ${owner}`,
    [
      `if [ -e ${list} ]; then`,
      `  cd ${to} || exit`,
      `  diff ${list}.facts <(xargs -0 -r bash -c ${quote(facts("%m", shownOwner(owner, "find"), mergedNames))} bash <${list})`,
      `else`,
      `  ${hasMode(path, mode ?? "0644", owner)}`,
      `fi`,
    ].join("\n"),
  );
}

/**
 * Lists for the checks of each copied folder: the names of files and links in NAME, their expected facts in NAME.facts.
 */
const listsFolder = `${ownFolder}/files`;

/**
 * Lines that copy the folder `$from` to `$to`. Unlike cp, tar can set an owner without losing setuid bits and
 * capabilities, and keep the modes of existing folders (/etc/sudoers.d). A new folder gets its name once it is
 * complete.
 */
function copyFolder(mode: string | undefined, user: string, group: string, list: string, merged: string[]): string[] {
  const wanted = facts(mode?.replace(/^0+(?=.)/, "") ?? "%m", `${user}:${group}`, merged);
  return [
    // CentOS 7 has an old tar.
    `  option() { case $(tar --help) in *"\${1%%=*}"*) echo "$1" ;; esac; }`,
    `  attributes="$(option --xattrs) $(option --xattrs-include=security.capability)"`,
    `  links=$(option --keep-directory-symlink)`,
    `  pack() { tar --create --directory="$from" --owner=${user} --group=${group} $attributes .; }`,
    `  unpack() { tar --extract --preserve-permissions --same-owner $attributes "$@"; }`,
    ...(mode
      ? [`  set_modes() { (cd "$from" && find . -type f -print0) | (cd "$1" && xargs -0 -r chmod ${mode}); }`]
      : []),
    `  if [ -d "$to" ]; then`,
    `    pack | unpack --no-overwrite-dir $links --directory="$to"`,
    ...(mode ? [`    set_modes "$to"`] : []),
    `  else`,
    `    work=$(dirname "$to")/.ci-images-copy`,
    `    rm -rf "$work"`,
    `    mkdir -m 0700 "$work" "$work/tree"`,
    `    pack | unpack --directory="$work/tree"`,
    ...(mode ? [`    set_modes "$work/tree"`] : []),
    `    mv -T "$work/tree" "$to"`,
    `    rmdir "$work"`,
    `  fi`,
    `  install -d ${listsFolder}`,
    `  (cd "$from" && find . '(' -type f -o -type l ')' -print0 | LC_ALL=C sort -z) >${list}`,
    `  (cd "$from" && xargs -0 -r bash -c ${quote(wanted)} bash <${list}) >${list}.facts`,
  ];
}

/**
 * A program that prints a line about each file and link named by its arguments. @param merged Names of files whose size
 * doesn't count, because `local` adds to them.
 */
function facts(mode: string, owner: string, merged: string[]): string {
  const of = (size: string) => `-type f -printf "file ${mode} ${owner} ${size} %p\\n"`;
  const withoutSize = merged.map((name) => `-path ${name} ${of("-")} -o `).join("");
  return `find "$@" -maxdepth 0 "(" ${withoutSize}${of("%s")} -o -type l -printf "link %l %p\\n" ")"`;
}

/** A program's format for an owner as the recipe writes it, each part a name or a number. */
function shownOwner(owner: string, program: "find" | "stat"): string {
  const [user = "", group = ""] = owner.split(":");
  // The two programs use small and capital letters the other way round.
  const [names, numbers] = { find: ["ug", "UG"], stat: ["UG", "ug"] }[program];
  const letters = (part: string) => (/^\d+$/.test(part) ? numbers : names);
  return `%${letters(user)[0]}:%${letters(group)[1]}`;
}

function hasMode(path: string, mode: string, owner: string): string {
  return `[ "$(stat -c '%a ${shownOwner(owner, "stat")}' ${quote(path)})" = ${quote(`${mode.replace(/^0+(?=.)/, "")} ${owner}`)} ]`;
}
