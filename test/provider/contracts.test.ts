// Contracts and their implementations. The compiler checks that both fit; these tests check what types can't express.
import assert from "node:assert/strict";
import * as ec2 from "../../components/ec2/contract.ts";
import * as gce from "../../components/gce/contract.ts";
import * as local from "../../components/local/contract.ts";
import * as openstack from "../../components/openstack/contract.ts";
import * as shared from "../../components/shared/contract.ts";
import type { FunctionContract, ResourceContract } from "../../common/contract.ts";
import type { EngineLog } from "../../provider/engine-log.ts";
import { parts } from "../../provider/registry.ts";
import { ImagesProvider } from "../../provider/server.ts";

type Contract = ResourceContract | FunctionContract;

const clouds: Record<string, object> = { ec2, gce, local, openstack };
const isContract = (value: unknown): value is Contract =>
  typeof value === "object" && value !== null && "token" in value;
const contractsOf = (module: object): Contract[] => Object.values(module).filter(isContract);
const all = [shared, ...Object.values(clouds)].flatMap(contractsOf);

/** Inputs of a lease that only one cloud has. */
const places: Record<string, object> = {
  ec2: { region: "r", recorded: false, power: "on" },
  gce: { project: "p", zone: "z", recorded: false, runs: false },
  local: {},
  openstack: { region: "r", tags: {} },
};

describe("contracts", () => {
  it("each have exactly one implementation in the plugin, in the part that its token names, and the plugin has no others", async () => {
    const tokens = (contracts: readonly Contract[]) => contracts.map(({ token }) => token).sort();
    const implemented: Contract[] = [];
    for (const [name, load] of Object.entries(parts)) {
      const { resources, functions } = await load();
      const contracts = [...resources, ...functions].map((each) => (each as { contract: Contract }).contract);
      for (const { token } of contracts) assert.equal(token.split(":")[1], name, token);
      implemented.push(...contracts);
    }
    assert.deepEqual(tokens(implemented), tokens(all));
    assert.equal(new Set(tokens(all)).size, all.length, "tokens are unique");
  });

  it("give no output the name of an input, with one exception", () => {
    const twice = all.flatMap((contract) => {
      if (!("outputs" in contract)) return [];
      const { token, inputs, outputs } = contract;
      return Object.keys(outputs).flatMap((name) => (name in inputs ? [`${token} ${name}`] : []));
    });
    // The builder's identity is an input when the image is made, and later read from the image.
    assert.deepEqual(twice, ["ci-images:local:Image builder"]);
  });

  for (const [cloud, module] of Object.entries(clouds)) {
    it(`name the common resources of ${cloud} alike, and replace its steps if the machine changes`, () => {
      const named = module as Record<string, ResourceContract>;
      for (const name of ["Lease", "SealMark", "Stop", "Retirement", "Promotion"]) {
        assert.ok(isContract(named[name]), `${name} of ${cloud}`);
      }
      for (const step of [named.SealMark, named.Stop, named.Retirement]) {
        assert.deepEqual([...step.replaceOn].sort(), Object.keys(step.inputs).sort(), step.token);
      }
    });

    it(`let the plugin refuse wrong inputs of a lease on ${cloud} by name before it creates anything`, async () => {
      const provider = new ImagesProvider("1.0.0", {} as EngineLog, parts);
      const { token } = (module as Record<string, ResourceContract>).Lease;
      const urn = `urn:pulumi:s::p::ci-images:index:WorkerImage$${token}::lease`;
      const wrong = { lifetime: "an hour", colour: "red", ...places[cloud], prefix: "worker", madeWith: {} };
      const { failures } = await provider.check(urn, {}, wrong);
      const reasons = Object.fromEntries(failures!.map(({ property, reason }) => [property, reason]));
      assert.equal(reasons.lifetime, 'is "an hour", and must be number');
      assert.equal(reasons.colour, "is not known");
      assert.equal(reasons.labels, "is missing");
    });
  }
});
