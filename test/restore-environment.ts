/**
 * Restores the environment from a copy. Don't assign `process.env` itself: Node would no longer read it, so `homedir()`
 * would ignore a HOME that a test sets.
 */
export function restoreEnvironment(before: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
}
