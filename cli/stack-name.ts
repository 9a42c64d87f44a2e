// Names of stacks: `ec2`, `acme/ec2`, `acme/ci-images/ec2`.

/** The name without organization and project, as the program and the settings file have it. */
export function shortName(name: string): string {
  return name.split("/").at(-1)!;
}

/** Whether two names mean the same stack of this project. Parts that one of them leaves out don't matter. */
export function isSameStack(one: string, other: string): boolean {
  const [few, many] = [one.split("/"), other.split("/")].sort((a, b) => a.length - b.length);
  if (few.at(-1) !== many.at(-1)) return false;
  return few.slice(0, -1).every((part, index) => part === many[index]);
}
