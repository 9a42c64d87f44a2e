// The supported Linux distributions: one row each, with the facts that modules, tests and clouds need.
import { UserError } from "../common/user-error.ts";
import type { Distribution } from "./module.ts";
import { nearest } from "../common/nearest.ts";

/**
 * Every known distribution. The login users are those of the distributions' own cloud images. `centos7` and
 * `ubuntu14.04` are past their end of life and need the user's own base, because their mirrors have moved to archives.
 */
export const distributions: readonly Distribution[] = [
  debian("12", "bookworm"),
  debian("13", "trixie"),
  ubuntu("22.04", "jammy"),
  ubuntu("24.04", "noble"),
  { ...ubuntu("14.04", "trusty"), init: "upstart" },
  redhat("rocky9", "rocky", "9", "rocky"),
  redhat("centos-stream9", "centos", "9", "cloud-user"),
  redhat("amazonlinux2023", "amazon", "2023", "ec2-user"),
  { ...redhat("centos7", "centos", "7", "centos"), packageCommand: "yum" },
];

/** Other common names, in addition to code names (`bookworm`), which all work. */
const aliases: Readonly<Record<string, string>> = {
  rockylinux9: "rocky9",
  centos9: "centos-stream9",
  centosstream9: "centos-stream9",
  amazon2023: "amazonlinux2023",
  al2023: "amazonlinux2023",
  ubuntu2204: "ubuntu22.04",
  ubuntu2404: "ubuntu24.04",
  ubuntu1404: "ubuntu14.04",
};

/**
 * Finds a distribution by its id (`debian12`), its code name (`bookworm`) or another common spelling (`debian-12`,
 * `al2023`).
 * @returns undefined if there is none; {@link findDistribution} throws instead.
 */
export function lookUpDistribution(id: string): Distribution | undefined {
  const plain = id.toLowerCase().replaceAll(/[\s_-]/g, "");
  return distributions.find(
    (each) =>
      each.id === id ||
      each.id === aliases[plain] ||
      each.id.replaceAll("-", "") === plain ||
      each.codename === id.toLowerCase(),
  );
}

/**
 * Finds a distribution by its id or another spelling of it.
 * @param id `debian12`, `bookworm`, `rocky9`, ...
 * @param where The file or stack setting that named it, for the message.
 * @param key The key inside it.
 * @throws UserError with the nearest name and the whole list if there is none.
 */
export function findDistribution(id: string, where = "distribution", key?: string): Distribution {
  const found = lookUpDistribution(id);
  if (found) return found;
  throw new UserError(unknownDistribution(id, where, key));
}

/** The complaint about a distribution that does not exist. */
export function unknownDistribution(id: string, where: string, key?: string) {
  const names = distributions.map((each) => each.id);
  const suggestion = nearest(id, names);
  return {
    where,
    key,
    found: `there is no distribution "${id}"`,
    allowed: names.join(", "),
    cure: suggestion && `did you mean "${suggestion}"?`,
  };
}

function debian(version: string, codename: string): Distribution {
  return {
    id: `debian${version}`,
    family: "debian",
    name: "debian",
    version,
    codename,
    packageManager: "apt",
    loginUser: "debian",
  };
}

function ubuntu(version: string, codename: string): Distribution {
  return { ...debian(version, codename), id: `ubuntu${version}`, name: "ubuntu", loginUser: "ubuntu" };
}

function redhat(id: string, name: string, version: string, loginUser: string): Distribution {
  return { id, family: "redhat", name, version, packageManager: "dnf", loginUser };
}
