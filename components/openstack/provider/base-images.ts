// Finds a distribution's base image among a cloud's images. Clouds name the same image in many ways: `Debian 12
// (Bookworm) (PVHVM)`, `debian-12-genericcloud-amd64-20241110-1927`, `Ubuntu 22.04 LTS Jammy`. So names are split into
// words, and all words must be known.
import { distance } from "fastest-levenshtein";
import { labelKey } from "../../../common/labels.ts";
import { openstackLabels } from "../facts/labels.ts";
import type { BaseDescription } from "../contract.ts";
import type { Image } from "./images.ts";

export type Architecture = "amd64" | "arm64";

const architectures: Record<Architecture, string[]> = { amd64: ["amd64", "x64"], arm64: ["arm64"] };

/** Words that say nothing about an image's content. */
const plainWords = [
  ...[
    "cloud",
    "cloudimg",
    "cloudimage",
    "generic",
    "genericcloud",
    "image",
    "img",
    "base",
    "server",
    "latest",
    "linux",
  ],
  ...["gnu", "os", "lts", "release", "official", "kvm", "openstack", "pvhvm", "pv", "qcow2", "bit", "64bit", "uefi"],
];

/** Whether a server can boot from the image; false for servers' snapshots and our own images. */
function isBase(image: Image): boolean {
  const isOurs = labelKey(openstackLabels, "recipe") in image;
  return image.status === "active" && image.image_type !== "snapshot" && !isOurs;
}

/**
 * The matching images, newest first: those whose name matches, or else those whose properties do.
 * @param images All visible images.
 */
export function fittingBases(images: readonly Image[], base: BaseDescription, architecture: Architecture): Image[] {
  const possible = images.filter((image) => isBase(image) && fitsArchitecture(image, architecture));
  const byName = possible.filter(({ name }) => fitsName(name, base, architecture));
  const { os_distro, os_version } = base.properties;
  const fits = (value: unknown, allowed: string[]) =>
    typeof value === "string" && allowed.includes(value.toLowerCase());
  const byProperties = possible.filter(
    (image) =>
      fits(image.os_distro, os_distro) && fits(image.os_version ?? image["org.openstack__1__os_version"], os_version),
  );
  const found = byName.length > 0 ? byName : byProperties;
  return [...found].sort((one, other) => other.created_at.localeCompare(one.created_at));
}

/** Whether the name states every needed fact, and has no unknown words. */
export function fitsName(name: string, { needed, words }: BaseDescription, architecture: Architecture): boolean {
  const found = wordsOf(name);
  const known = [...needed.flat(), ...words, ...plainWords, ...architectures[architecture]];
  const states = (fact: string[]) => found.some((word) => fact.some((each) => isVersion(word, each)));
  return needed.every(states) && found.every((word) => /^[\d.]+$/.test(word) || known.includes(word));
}

function wordsOf(name: string): string[] {
  const plain = name
    .toLowerCase()
    .replaceAll(/x86[_-]64/g, " amd64 ")
    .replaceAll("aarch64", " arm64 ");
  return plain.split(/[^a-z0-9.]+/).flatMap((word) => word.replaceAll(/^\.+|\.+$/g, "") || []);
}

/** `12.8` states version `12`. */
function isVersion(word: string, wanted: string): boolean {
  return word === wanted || (/^\d/.test(wanted) && word.startsWith(`${wanted}.`));
}

function fitsArchitecture(image: Image, wanted: Architecture): boolean {
  const stated = typeof image.architecture === "string" ? image.architecture.toLowerCase() : undefined;
  const words = stated === undefined ? wordsOf(image.name) : wordsOf(stated);
  const isArm = words.some((word) => architectures.arm64.includes(word));
  // An image without the property is for the usual architecture.
  return isArm === (wanted === "arm64");
}

/** Similar names, for an error message: those that share a word first, then the nearest. */
export function nearNames(images: readonly Image[], wanted: string): string[] {
  const words = wordsOf(wanted).filter((word) => !/^[\d.]+$/.test(word));
  const names = [...new Set(images.filter(isBase).map(({ name }) => name))];
  const far = (name: string) =>
    distance(name.toLowerCase(), wanted.toLowerCase()) -
    (wordsOf(name).some((word) => words.includes(word)) ? 1000 : 0);
  return names.sort((one, other) => far(one) - far(other)).slice(0, 8);
}
