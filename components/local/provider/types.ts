// What the parts of the embedded `local` cloud say to each other.
export type { BaseSource, ResolvedBase } from "../contract.ts";

/** Takes one line of progress; `transient` lines only show what is going on now. */
export type Progress = (line: string, transient?: boolean) => void;
