// The supported clouds, one line each. open-clouds.ts loads the SDK of the selected one only.
import { UserError } from "../common/user-error.ts";
import type { CloudFacts } from "./cloud-facts.ts";
import { ec2Facts } from "./ec2/facts.ts";
import { gceFacts } from "./gce/facts.ts";
import { localFacts } from "./local/facts.ts";
import { openstackFacts, rackspaceFacts } from "./openstack/facts.ts";

/** The first one is the default. */
export const clouds: CloudFacts[] = [localFacts, ec2Facts, gceFacts, rackspaceFacts, openstackFacts];

/** The names of the clouds, for messages. */
export function cloudNames(among: readonly CloudFacts[] = clouds): string {
  return among.map(({ name }) => name).join(", ");
}

/**
 * The cloud of that name.
 * @param where Where the name was found.
 * @throws UserError if there is none.
 */
export function findCloud(name: string, where = "stack setting ci-images:cloud"): CloudFacts {
  const found = clouds.find((each) => each.name === name);
  if (!found) throw new UserError({ where, found: name, allowed: cloudNames() });
  return found;
}
