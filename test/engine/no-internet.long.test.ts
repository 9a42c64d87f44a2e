// An OpenStack on the company's own network, with no internet and no bastion: SSH is opened to the address that packets leave from.
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

  /** A builder that is looked at, and what comes after it. */
  async function bake(settings: Record<string, unknown>, notice: RegExp, then: (stack: CloudStack) => Promise<void>) {
    // Nobody tells the public address.
    const variables = { ...cloud.variables, CI_IMAGES_ADDRESS_SERVER: "http://127.0.0.1:9/" };
    const stack = await CloudStack.on({ ...cloud, variables }, tinyRecipe(), { sshFrom: undefined, ...settings });
    try {
      const { stderr } = await doVerb(stack, "up");
      assert.match(stderr, notice);
      const [record] = (await stack.resources()).filter(({ type }) => type === "ci-images:index:Login");
      const source = await sourceTowards(record.outputs as unknown as Connection);
      const rules = [...cloud.rackspace.api.region("ORD").collection("security-group-rules").values()];
      const sources = rules.filter(({ direction }) => direction === "ingress").map((rule) => rule.remote_ip_prefix);
      assert.deepEqual([...new Set(sources)], [`${source}/32`], "the address that the builder sees, and no other");
      await stack.expectNoChanges();
      await then(stack);
    } finally {
      await stack.remove();
    }
    assert.deepEqual(await cloud.leftovers(), []);
  }

  /** Where this computer's connections come from, as the machine sees it. */
  async function sourceTowards({ host, port }: Connection): Promise<string> {
    const socket = connect({ host, port });
    await once(socket, "connect");
    const { localAddress } = socket;
    socket.destroy();
    return localAddress!;
  }

  it("opens SSH to the address on the way to the machines' network, where the project sees which one that is", async () => {
    await bake(
      {},
      /SSH is opened to 127\.\S+, .* on the way to 127\.0\.0\.0\/8, where the machines are/,
      async () => {},
    );
  });

  it("opens it to the address on the way to Keystone where machines have floating addresses of a network that nobody sees into, and bakes", async () => {
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
