// The forms in which a secret's value may appear, for sealing to search for in an image's files. docs/sealing.md says
// what the search finds and what it doesn't.
import type { Secrets } from "../recipe/secrets.ts";

/** Shorter values (and lines of values) are not searched for: they would be found everywhere. */
export const shortestSearched = 6;

/**
 * A likely key or token, which no other file contains by accident: letters and digits, without JSON's punctuation.
 * `=` only at its end: in `TOKEN=...`, what precedes it is a name.
 */
const keyLike = /[A-Za-z0-9+/_-]{32,}={0,2}/g;

/** Public parts in the same file as a key. In JSON their line breaks are written as \n. */
const publicBlocks = /-----BEGIN ([A-Z0-9 ]*(?:CERTIFICATE|PUBLIC KEY))-----.*?-----END \1-----/gs;

/**
 * The first line of a private key in OpenSSH's format (PROTOCOL.key of its sources): `openssh-key-v1`, no cipher, the
 * kind of the key. It is the same in all keys of that kind.
 */
const openSshHeader = /^b3BlbnNzaC1rZXktdjE.{0,51}/;

/** Encoded texts of at least twice this length are searched for in pieces, because they may be wrapped anywhere. */
const pieceLength = 20;

/**
 * The texts to search for: each value in plain form, in URLs, in JSON, and in base64 (at any offset, wrapped or not).
 * Of a multi-line value only the parts that look like a key, or its lines if there are none, because a line such as
 * `"type": "service_account",` is in many files.
 * @returns distinct texts without line breaks.
 */
export function searchedTexts(values: readonly string[]): string[] {
  const texts = values.flatMap(searchedParts).flatMap((part) => {
    const base64 = alignments(part).flatMap(pieces);
    const urlSafe = base64.map((text) => text.replaceAll("+", "-").replaceAll("/", "_"));
    return [part, encodeURIComponent(part), JSON.stringify(part).slice(1, -1), ...base64, ...urlSafe];
  });
  return [...new Set(texts)];
}

/** Names of secrets that are too short to search for. */
export function tooShortToSearch(secrets: Secrets): string[] {
  return Object.entries(secrets).flatMap(([name, value]) => (searchedParts(value).length === 0 ? [name] : []));
}

function searchedParts(given: string): string[] {
  // Replace invalid Unicode, which would be written differently and which encodeURIComponent refuses.
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
  // Every key has a line `-----BEGIN ...`.
  const long = lines.filter((line) => line.length >= shortestSearched && !line.startsWith("-----"));
  return [...long, ...keys];
}

/**
 * A text in base64, starting at the first, second and third byte of a group of three, without the letters that depend
 * on its neighbours.
 */
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
