// aws:ec2transitgateway/instanceState:InstanceState, modelled on internal/service/ec2/ec2_instance_state.go of
// hashicorp/terraform-provider-aws.
import {
  DescribeInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  type EC2Client,
} from "@aws-sdk/client-ec2";
import type { Values } from "../bridge.ts";
import type { StandInContext, StandInType } from "../stand-in.ts";
import { clientFor, regionOf, unlessGone, waitFor, type Account } from "./client.ts";

/** The resource type. */
export function instanceState(account: Account): StandInType {
  const change = async (inputs: Values, context: StandInContext) => {
    const client = clientFor(account, inputs, context);
    const id = inputs.instanceId as string;
    const wanted = inputs.state as "running" | "stopped";
    const look = () => stateOf(client, id);
    const settled = ["running", "stopped"];
    const found = await look();
    if (found === undefined || !settled.includes(found)) throw new Error(`EC2 Instance (${id}) is ${found ?? "gone"}`);
    if (found === wanted) return;
    if (wanted === "stopped") await client.send(new StopInstancesCommand({ InstanceIds: [id] }));
    else await client.send(new StartInstancesCommand({ InstanceIds: [id] }));
    const pending = ["pending", "running", "stopping", "stopped"];
    await waitFor(`waiting for EC2 Instance (${id}) to be ${wanted}`, wanted, pending, look, context.signal);
  };
  return {
    replaceOn: ["instanceId", "region"],
    async create(inputs, context) {
      await change(inputs, context);
      return { id: inputs.instanceId as string, state: { ...inputs, region: regionOf(account, inputs, context) } };
    },
    async read(id, state, context) {
      const now = await stateOf(clientFor(account, state, context), id);
      return now === undefined || now === "terminated" ? undefined : { ...state, instanceId: id, state: now };
    },
    async update(_id, inputs, _changed, state, context) {
      await change(inputs, context);
      return { ...state, ...inputs };
    },
    // Deletion only removes it from the state.
    async delete() {},
  };
}

async function stateOf(client: EC2Client, id: string): Promise<string | undefined> {
  const found = await unlessGone(client.send(new DescribeInstancesCommand({ InstanceIds: [id] })));
  return found?.Reservations?.[0]?.Instances?.[0]?.State?.Name;
}
