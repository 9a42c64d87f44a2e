/**
 * Puts the environment back to a copy that was taken of it. Replacing `process.env` itself would cut it off from what Node reads: from then
 * on `homedir()` of this process would not see a HOME that a test sets.
 */
export function restoreEnvironment(before: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
}
