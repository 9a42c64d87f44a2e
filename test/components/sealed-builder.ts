// What every cloud's program promises for a builder that is sealed and stopped, but has no image yet.
import assert from "node:assert/strict";

/**
 * Fails if another input than the triggers would run a step on the builder again; they change only with the machine.
 * Steps on the trial machine do run.
 * @param resources All that was declared.
 */
export function expectNothingRunsAgain(
  resources: readonly { type: string; name: string; ignoreChanges: readonly string[] }[],
): void {
  const commands = resources.filter(({ type }) => type === "command:remote:Command");
  const [trial, builder] = [true, false].map((isTrial) =>
    commands.filter(({ name }) => name.includes("-trial") === isTrial),
  );
  assert.ok(builder.some(({ name }) => name.endsWith("-seal")));
  for (const { name, ignoreChanges } of builder) {
    const inputs = ["connection", "create", "update", "stdin", "logging", "addPreviousOutputInEnv"];
    assert.deepEqual(ignoreChanges, inputs, name);
  }
  assert.ok(trial.length > 0);
  for (const { name, ignoreChanges } of trial) assert.deepEqual(ignoreChanges, [], name);
}
