// The verbs on stack `rackspace`.
import { verbsOf } from "./cli-stack.ts";
import { openRackspace } from "./subjects/rackspace.ts";

verbsOf("rackspace", openRackspace, ({ rackspace }) => (rackspace as { regions: string[] }).regions[0]);
