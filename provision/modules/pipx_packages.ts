// Installs Python programs for all users, each in its own virtual environment (/opt/pipx), with its commands in
// /usr/local/bin.
import { UserError } from "../../common/user-error.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";

export const description = "Installs Python programs, each in its own virtual environment";
export const settingsRequired = true;

const requirement = {
  type: "string",
  pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*(\\[[A-Za-z0-9,._-]+\\])?([=<>!~]=?[^\\s;]+)?$",
};

export const settings = {
  type: "array",
  minItems: 1,
  description:
    "The programs, each with or without a version (`yamllint==1.37.1`); by default, the newest that the distribution's Python runs.",
  examples: [["yamllint", { package: "ansible-core==2.15.13", with: ["ansible"] }]],
  items: {
    anyOf: [
      { ...requirement, description: "A program.", examples: ["yamllint==1.37.1"] },
      {
        type: "object",
        additionalProperties: false,
        required: ["package"],
        properties: {
          package: { ...requirement, description: "The program.", examples: ["ansible-core"] },
          with: {
            type: "array",
            items: requirement,
            default: [],
            description: "More packages for its environment, such as plugins.",
            examples: [["ansible"]],
          },
        },
      },
    ],
  },
};

interface Program {
  package: string;
  with?: string[];
}

/**
 * Records the programs.
 * @throws UserError if a program is listed twice.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  const programs = settingsOf<(string | Program)[]>(cfg, "pipx_packages", []).map((each) =>
    typeof each === "string" ? { package: each } : each,
  );
  refuseDoubles(name, programs);
  // Without pipx itself, which Red Hat's family has only in EPEL: it would only make a virtual environment and links.
  root.packages({ apt: ["python3", "python3-venv"], dnf: ["python3"] });
  for (const program of programs) {
    const folder = folderOf(program);
    root.run(install(folder, program));
    root.check(
      `${program.package} works in an environment of its own`,
      `${folder}/bin/python3 -m pip check --disable-pip-version-check && [ -n "$(cat ${folder}/.commands)" ] && while read -r command; do [ "$(readlink "/usr/local/bin/$command")" = "${folder}/bin/$command" ]; done <${folder}/.commands`,
    );
  }
}

const nameOf = ({ package: each }: Program): string => each.replace(/[[=<>!~].*$/, "");
const folderOf = (program: Program): string => `/opt/pipx/${nameOf(program).toLowerCase()}`;

/** Links only the package's own commands, not its dependencies'. */
function install(folder: string, program: Program): string {
  return `\
[ -x ${folder}/bin/python3 ] || python3 -m venv ${folder}
${folder}/bin/python3 -m pip --no-cache-dir --disable-pip-version-check install --quiet ${[program.package, ...(program.with ?? [])].map((each) => quote(each)).join(" ")}
${folder}/bin/python3 - ${quote(nameOf(program))} >${folder}/.commands <<'END_OF_PROGRAM'
import importlib.metadata, sys
for entry in importlib.metadata.distribution(sys.argv[1]).entry_points:
    if entry.group in ("console_scripts", "gui_scripts"):
        print(entry.name)
END_OF_PROGRAM
while read -r command; do ln -s -f -n "${folder}/bin/$command" "/usr/local/bin/$command"; done <${folder}/.commands`;
}

function refuseDoubles(name: string, programs: readonly Program[]): void {
  programs.forEach((program, index) => {
    const first = programs.findIndex((other) => folderOf(other) === folderOf(program));
    if (first < index)
      throw new UserError({
        where: `module ${name}`,
        key: `pipx_packages[${index}]`,
        found: `${nameOf(program)} is in the list twice, first as pipx_packages[${first}]`,
        cure: "remove one of the two",
      });
  });
}
