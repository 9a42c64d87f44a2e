// Names of stacks: `ec2`, `acme/ec2`, `acme/ci-images/ec2`.

/**
 * The name without organization and project, as the program and the settings file have it.
 * @param {string} name
 */
export function shortName(name) {
  return name.slice(name.lastIndexOf("/") + 1);
}

/**
 * Whether two names mean the same stack of this project. Parts that one of them leaves out don't matter.
 * @param {string} one
 * @param {string} other
 */
export function isSameStack(one, other) {
  const [few, many] = [one.split("/"), other.split("/")].sort((a, b) => a.length - b.length);
  if (few.at(-1) !== many.at(-1)) return false;
  return few.slice(0, -1).every((part, index) => part === many[index]);
}
