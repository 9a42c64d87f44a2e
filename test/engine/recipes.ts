// Small recipes for tests of the life cycle: quick to bake, and easy to make fail.

/** A recipe whose only module writes a file. */
export function tinyRecipe(content = "one", more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: "tiny",
    distribution: "debian12",
    size: "2G",
    modules: ["files"],
    files: [{ path: "/etc/tiny", content: `${content}\n` }],
    tests: [{ name: "the file is there", run: "test -s /etc/tiny" }],
    ...more,
  };
}

/** A recipe whose module runs a script after the file was written. */
export function scriptRecipe(script: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return tinyRecipe("one", { modules: ["files", "run"], run: [script], ...more });
}
