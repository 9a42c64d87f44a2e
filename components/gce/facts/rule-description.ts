// Firewall rules of Google Compute Engine have no labels: whose one is and when it expires stands in its description.
import { formatExpiry, parseExpiry } from "../../../common/labels.ts";

/** A machine's rule that lets SSH in has the machine's name; the one that shuts out everybody else has this behind it. */
export const closedSuffix = "-closed";

export interface RuleOwner {
  /** Of Pulumi. */
  project: string;
  stack: string;
  expires: Date;
}

/** @param what For people: what the rule is for. */
export function describeRule({ project, stack, expires }: RuleOwner, what: string): string {
  return `ci-images ${project}/${stack} until ${formatExpiry(expires)}: ${what}`;
}

/** @returns undefined for a rule that is not ours. */
export function readRule(description: string | undefined): RuleOwner | undefined {
  const [, project, stack, until] = /^ci-images ([^/ ]+)\/([^/ ]+) until (\w+): /.exec(description ?? "") ?? [];
  const expires = until === undefined ? undefined : parseExpiry(until);
  return expires && { project, stack, expires };
}
