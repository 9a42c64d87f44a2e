// What the parts of the embedded `local` cloud say to each other.

/** Where a root file system comes from ("varying sources"). */
export type BaseSource =
  /** Bootstrapped from the distribution's mirrors. */
  | { kind: "mirror"; distribution: string; mirror?: string; packages?: string[] }
  /** A tarball of an installed root: a path or an http(s) URL; `sha256` is required for a URL and checked always when given. */
  | { kind: "tarball"; location: string; sha256?: string }
  /** A directory that holds an installed root. It is copied, never changed. */
  | { kind: "directory"; path: string }
  /** An earlier image of ours: the folder with its manifest.json. */
  | { kind: "image"; path: string };

/** A base source with its content pinned down. */
export interface ResolvedBase {
  source: BaseSource;
  /** Decided by the content: the same id means the same root. Name in the cache and part of the recipe hash. */
  id: string;
  /** For people: `debian 12.12 (2026-09-06)`. */
  description: string;
}

/** Takes one line of progress; `transient` lines only show what is going on now. */
export type Progress = (line: string, transient?: boolean) => void;
