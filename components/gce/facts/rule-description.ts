// Reads and writes the owner and expiry of firewall rules. Compute Engine's have no labels, so the description holds
// them.
import { formatExpiry, parseExpiry } from "../../../common/labels.ts";

/** The rule that lets SSH in has the machine's name; the rule that blocks everybody else has this suffix. */
export const closedSuffix = "-closed";

export interface RuleOwner {
  /** Pulumi's project. */
  project: string;
  stack: string;
  expires: Date;
}

/** @param what What the rule is for, for people. */
export function describeRule({ project, stack, expires }: RuleOwner, what: string): string {
  return `ci-images ${project}/${stack} until ${formatExpiry(expires)}: ${what}`;
}

/** @returns undefined if the rule isn't ours. */
export function readRule(description: string | undefined): RuleOwner | undefined {
  const [, project, stack, until] = /^ci-images ([^/ ]+)\/([^/ ]+) until (\w+): /.exec(description ?? "") ?? [];
  const expires = until === undefined ? undefined : parseExpiry(until);
  return expires && { project, stack, expires };
}
