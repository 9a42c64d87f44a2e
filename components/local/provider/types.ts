// Types shared by the parts of the `local` provider.
export type { BaseSource, ResolvedBase } from "../contract.ts";

/** Reports one line of progress. A `transient` line shows only what is happening now. */
export type Progress = (line: string, transient?: boolean) => void;
