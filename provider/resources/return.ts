// Waits for a machine to return from a reboot. Commands would dial it, too, but they can't tell a refused login from a
// machine that is not up yet.
import type { InputsOf } from "../../common/contract.ts";
import { Return } from "../../components/shared/contract.ts";
import { implement, type Context } from "../resource.ts";
import { withComplaint } from "../tunnels.ts";
import { waitFor, type Seen } from "../kit/wait.ts";
import { WayFinder } from "../kit/way-in.ts";

/** Seconds that a reboot may take: large machines in clouds take minutes. */
const deadline = 400;

/** Waits until a machine lets the bake in again. */
export const returned = implement(Return, {
  async create(inputs, context) {
    await comeBack(inputs, context);
    return { id: `${inputs.connection.host}:${inputs.connection.port}`, outputs: inputs };
  },
});

async function comeBack({ connection }: InputsOf<typeof Return>, context: Context): Promise<void> {
  const { host, port, privateKey } = connection;
  const finder = new WayFinder({ privateKey, patience: 10_000 });
  const look = async (): Promise<Seen<true>> => {
    const seen = await finder.look({ ordinary: connection });
    if ("done" in seen) return { done: true };
    if ("failed" in seen) return seen;
    return await withComplaint({ state: seen.state || "rebooting" }, connection);
  };
  const what = `the machine at ${host}:${port}`;
  const until = "to accept the bake's login after its reboot";
  await waitFor({ what, until, deadline, lookAt: "./ci-images status", look }, context);
}
