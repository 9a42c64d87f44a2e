// The verbs on stack `ec2`.
import { verbsOf } from "./cli-stack.ts";
import { openEc2 } from "./subjects/ec2.ts";

verbsOf("ec2", openEc2, ({ ec2 }) => (ec2 as { region: string }).region);
