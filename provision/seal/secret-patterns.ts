// What sealing looks for in the files of an image: the texts in which a secret's value may lie there. docs/sealing.md says what
// that finds and what it does not.
import type { Secrets } from "../recipe/secrets.ts";

/** Values (and lines of values) with fewer letters would be found everywhere; they are not looked for. */
export const shortestSearched = 6;

/** What looks like a key or a token, which no other file has by accident: with letters and digits, and none of JSON's marks. */
const keyLike = /[A-Za-z0-9+/=_-]{32,}/g;

/** What comes along with a key in the same file and is known to everybody. In JSON its line breaks are written as \n. */
const publicBlocks = /-----BEGIN ([A-Z0-9 ]*(?:CERTIFICATE|PUBLIC KEY))-----.*?-----END \1-----/gs;

/**
 * The first line of a private key as OpenSSH writes it (PROTOCOL.key of its sources): `openssh-key-v1`, no cipher, the kind of the key.
 * It is the same in all keys of that kind.
 */
const openSshHeader = /^b3BlbnNzaC1rZXktdjE.{0,51}/;

/** Encoded texts of at least twice this length are looked for in pieces, for they may be wrapped at any place. */
const pieceLength = 20;

/**
 * The texts to look for: each value as it is, as it stands in URLs, in JSON, and in base64 (whatever stands before it there, and
 * wrapped or not). Of a value with several lines the parts that look like a key count, and its lines only where there are none:
 * `"type": "service_account",` stands in many files.
 * @returns distinct, without line breaks.
 */
export function searchedTexts(values: readonly string[]): string[] {
  const texts = values.flatMap(searchedParts).flatMap((part) => {
    const base64 = alignments(part).flatMap(pieces);
    const urlSafe = base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_"));
    return [part, encodeURIComponent(part), JSON.stringify(part).slice(1, -1), ...base64, ...urlSafe];
  });
  return [...new Set(texts)];
}

/** Names of secrets of which nothing is looked for. */
export function tooShortToSearch(secrets: Secrets): string[] {
  return Object.entries(secrets).flatMap(([name, value]) => (searchedParts(value).length === 0 ? [name] : []));
}

function searchedParts(given: string): string[] {
  // What is not well-formed Unicode would be written in another way, and is no text that encodeURIComponent takes.
  const value = Buffer.from(given).toString().replaceAll(publicBlocks, "");
  const lines = value.split(/\r?\n/).map((line) => line.trim());
  // A key inside JSON has its line breaks written as \n.
  const keys = value
    .split(/\r?\n|\\n/)
    .flatMap((line) => line.match(keyLike) ?? [])
    .flatMap((text) => text.replace(openSshHeader, "").match(keyLike) ?? [])
    .filter((text) => /[0-9]/.test(text) && /[A-Za-z]/.test(text));
  const isOneLine = lines.filter(Boolean).length === 1;
  if (!isOneLine && keys.length > 0) return keys;
  // `-----BEGIN ...` is in every key.
  const long = lines.filter((line) => line.length >= shortestSearched && !line.startsWith("-----"));
  return [...long, ...keys];
}

/** The base64 of a text that begins at the first, second or third byte of three, without the letters that its neighbours have a part in. */
function alignments(text: string): string[] {
  const bytes = Buffer.from(text);
  return [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    return encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
  });
}

function pieces(text: string): string[] {
  if (text.length < 2 * pieceLength) return [text];
  const count = Math.floor(text.length / pieceLength);
  return Array.from({ length: count }, (_each, index) => text.slice(index * pieceLength, (index + 1) * pieceLength));
}
