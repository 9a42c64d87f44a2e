// The names of the bake's own steps on a machine. A module's step has the module's name, so modules can't have these.

/** What comes before the first module, and after the last one. */
export const stepNames = ["settled", "tests", "verify", "inventory", "seal"] as const;

export type StepName = (typeof stepNames)[number];
