// Builders of stack `ec2` that stay: a public address is another one after each start.
import { stagesAndPower } from "./cloud-stages.ts";
import { openEc2 } from "./subjects/ec2.ts";

describe("a bake in stages on ec2", function () {
  this.timeout(300_000);
  stagesAndPower(openEc2);
});
