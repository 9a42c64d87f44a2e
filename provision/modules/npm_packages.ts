// Installs commands from npm's registry for all users, with `npm install --global`. npm comes from module node or from
// the distribution (install_packages: [npm]); either must precede this module in the recipe.
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote, quoteAll } from "../shell/shell.ts";

export const description = "Installs commands from npm's registry for all users";
export const settingsRequired = true;

export const settings = {
  type: "array",
  minItems: 1,
  uniqueItems: true,
  // A name, perhaps with a scope and a version. No address and no path, which would be other sources.
  items: { type: "string", pattern: "^(@[a-z0-9~][a-z0-9._~-]*/)?[a-z0-9~][a-z0-9._~-]*(@[A-Za-z0-9^~<>=.*-]+)?$" },
  description:
    "The packages, each with or without a version (`typescript@5.9.3`); by default, the newest on the day of the bake.",
  examples: [["typescript@5.9.3", "yarn", "@angular/cli"]],
};

/** Records the installation. npm's cache is removed. */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const packages = settingsOf<string[]>(cfg, "npm_packages", []);
  root.run(`\
if ! command -v npm >/dev/null; then
  echo ${quote(`module ${name} needs npm: put module node, or install_packages: [npm], in front of it`)} >&2
  exit 1
fi
cache=$(mktemp -d /var/tmp/ci-images-npm.XXXXXX)
trap 'rm -rf "$cache"' EXIT
npm install --global --no-audit --no-fund --no-update-notifier --loglevel=error --cache "$cache" -- ${quoteAll(packages)}`);
  // npm takes half a minute to start on emulated hardware.
  for (const each of packages) root.check(`${each} is installed by npm`, isInstalled(each), { timeoutSeconds: 300 });
}

function isInstalled(specification: string): string {
  const bare = specification.replace(/(?<=.)@.*$/, "");
  const exact = /(?<=.)@(\d+\.\d+\.\d+)$/.exec(specification)?.[1];
  const file = `"$(npm root --global)"/${quote(bare)}/package.json`;
  return exact === undefined
    ? `[ -s ${file} ]`
    : `node -e 'if (require(process.argv[1]).version !== process.argv[2]) process.exit(1)' ${file} ${quote(exact)}`;
}
