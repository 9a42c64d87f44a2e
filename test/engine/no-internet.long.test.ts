// An OpenStack on a company network without internet or bastion: SSH is opened to this computer's outgoing address.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Connection } from "../../provider/kit/connection.ts";
import { CloudStack } from "./cloud-stack.ts";
import { tinyRecipe } from "./recipes.ts";
import { openRackspace, type RackspaceSubject } from "./subjects/rackspace.ts";
import { doVerb } from "./verbs.ts";

describe("an OpenStack without internet", function () {
  this.timeout(400_000);
  let cloud: RackspaceSubject;
  beforeEach(async () => {
    cloud = await openRackspace();
  });
  afterEach(() => cloud.close());

  /** Starts a builder, checks the notice and the security group, then continues with `then`. */
  async function bake(settings: Record<string, unknown>, notice: RegExp, then: (stack: CloudStack) => Promise<void>) {
    // Nothing answers there, so the public address can't be found.
    const variables = { ...cloud.variables, CI_IMAGES_ADDRESS_SERVER: "http://127.0.0.1:9/" };
    const stack = await CloudStack.on({ ...cloud, variables }, tinyRecipe(), { sshFrom: undefined, ...settings });
    try {
      const { stderr } = await doVerb(stack, "up");
      assert.match(stderr, notice);
      const [record] = (await stack.resources()).filter(({ type }) => type === "ci-images:index:Login");
      const source = await sourceTowards(record.outputs as unknown as Connection);
      const rules = [...cloud.rackspace.api.region("ORD").collection("security-group-rules").values()];
      const sources = rules.filter(({ direction }) => direction === "ingress").map((rule) => rule.remote_ip_prefix);
      assert.deepEqual(
        [...new Set(sources)],
        [`${source}/32`],
        "SSH is open to the address that the builder sees, and to no other",
      );
      await stack.expectNoChanges();
      await then(stack);
    } finally {
      await stack.remove();
    }
    assert.deepEqual(await cloud.leftovers(), []);
  }

  /** The source address of this computer's connections to the machine. */
  async function sourceTowards({ host, port }: Connection): Promise<string> {
    const socket = connect({ host, port });
    await once(socket, "connect");
    const { localAddress } = socket;
    socket.destroy();
    return localAddress!;
  }

  it("opens SSH to the address on the route to the machines' network, if the project can see that network", async () => {
    await bake(
      {},
      /SSH is opened to 127\.\S+, .* on the way to 127\.0\.0\.0\/8, where the machines are/,
      async () => {},
    );
  });

  it("bakes with SSH opened to the address on the route to Keystone, if the floating network's addresses are hidden", async () => {
    const rackspace = { ...(cloud.settings.rackspace as object), floatingNetwork: "public" };
    const notice =
      /SSH is opened to 127\.0\.0\.1, .* on the way to 127\.0\.0\.1, because its public address could not be found/;
    await bake({ rackspace }, notice, async (stack) => {
      await doVerb(stack, "create-image");
      assert.deepEqual(await cloud.images(), [(await stack.image())!.id]);
      await stack.up();
      await stack.expectNoChanges();
    });
  });
});
