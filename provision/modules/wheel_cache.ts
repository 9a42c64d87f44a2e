// Fills a user's pip cache with the wheels that a Python project needs. They are downloaded, or built if there is no
// wheel, once during the bake, so that no job waits for them. A job's pip still asks the index for versions.
//
// Tested on Debian 12 with a local index.
import { UserError } from "../../common/user-error.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { keepScript, ownFolder } from "../seal/kept.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote, quoteAll } from "../shell/shell.ts";

export const description = "Warms a user's pip cache with a Python project's wheels";
export const settingsRequired = true;

export const settings = {
  type: "object",
  additionalProperties: false,
  description: "The project's requirements: `requirements`, `files`, or both.",
  examples: [{ files: ["requirements.txt"] }, { requirements: ["tox", "flask==3.1.0"] }],
  properties: {
    requirements: {
      type: "array",
      minItems: 1,
      items: { type: "string", pattern: "^[A-Za-z0-9][^\\n]*$" },
      description: "Requirements, in pip's syntax.",
      examples: [["tox", "flask==3.1.0"]],
    },
    files: {
      type: "array",
      minItems: 1,
      items: { type: "string", minLength: 1 },
      description: "Requirements files, relative to the recipe's folder.",
      examples: [["requirements.txt"]],
    },
    user: {
      type: "string",
      pattern: "^[a-z_][a-z0-9_-]{0,30}$",
      description: "The cache's owner; by default, the login user.",
      examples: ["jenkins"],
    },
    index_url: {
      type: "string",
      pattern: "^https://[^\\s]+$",
      description: "The package index to use instead of pip's default. The cache works only with this index.",
      examples: ["https://pypi.example.com/simple"],
    },
  },
};

/** The settings under `wheel_cache`. */
interface Settings {
  requirements?: string[];
  files?: string[];
  user?: string;
  index_url?: string;
}

/** Size and sha256 of each wheel, one per line. It stays in the image for its tests. */
const noted = `${ownFolder}/wheel-cache`;

/**
 * Records the downloads.
 * @throws UserError if there are neither requirements nor files, or a file can't be read.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const {
    requirements = [],
    files = [],
    user = root.loginUser,
    index_url: index,
  } = settingsOf<Settings>(cfg, "wheel_cache", {});
  refuseNothing(name, requirements, files);
  root.packages({ apt: ["python3", "python3-pip", "python3-wheel"], dnf: ["python3", "python3-pip"] });
  const uploads = files.map((file) => root.upload(file));
  const options = [...uploads.flatMap((file) => ["--requirement", file]), ...(index ? ["--index-url", index] : [])];
  root.run(
    [
      `user=${quote(user)}`,
      `home=$(getent passwd "$user" | cut -d: -f6)`,
      `work=$(mktemp -d /var/tmp/ci-images-wheels.XXXXXX)`,
      `trap 'rm -rf "$work"' EXIT`,
      `chown "$user" "$work"`,
      ...uploads.map((file) => `chmod -R a+rX ${quote(file)}`),
      // The user's own pip: the newest if module pip ran before, else the distribution's.
      `pip=$(PATH=/usr/local/bin:/usr/bin command -v pip3)`,
      `runuser -u "$user" -- env HOME="$home" "$pip" --disable-pip-version-check wheel --quiet --cache-dir "$home/.cache/pip" --wheel-dir "$work/wheels" ${quoteAll([...options, ...requirements])}`,
      `install -d ${ownFolder}`,
      `for wheel in "$work"/wheels/*.whl; do echo "$(stat -c %s "$wheel") $(sha256sum <"$wheel" | cut -d' ' -f1)"; done | sort >${noted}`,
      // Sealing empties root's cache unless it is kept.
      ...(user === "root" ? [keepScript("/root/.cache/pip")] : []),
    ].join("\n"),
  );
  root.check(`the wheels are in the pip cache of ${user}`, isCached(user), { timeoutSeconds: 300 });
}

function refuseNothing(name: string, requirements: string[], files: string[]): void {
  if (requirements.length === 0 && files.length === 0)
    throw new UserError({
      where: `module ${name}`,
      key: "wheel_cache",
      found: "neither requirements nor files",
      cure: 'list the project\'s requirements: requirements: ["tox"]',
    });
}

/** Looks for the wheels in the files of pip's HTTP cache: newer versions store them bare, older ones with a header. */
function isCached(user: string): string {
  return `\
home=$(getent passwd ${quote(user)} | cut -d: -f6)
[ -s ${noted} ]
python3 - "$home/.cache/pip" ${noted} <<'END_OF_PROGRAM'
import hashlib, os, sys
wanted = {tuple(line.split()) for line in open(sys.argv[2])}
sizes = {int(size) for size, _ in wanted}
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        content = open(os.path.join(folder, name), "rb").read()
        start = content.find(b"PK\\x03\\x04")
        if start >= 0:
            for size in sizes:
                wanted.discard((str(size), hashlib.sha256(content[start:start + size]).hexdigest()))
sys.exit(f"{len(wanted)} wheels are missing" if wanted else 0)
END_OF_PROGRAM`;
}
