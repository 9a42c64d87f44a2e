// Contracts and what fulfils them. That both fit is for the compiler to see; here is what types can't say.
import assert from "node:assert/strict";
import * as ec2 from "../../components/ec2/contract.ts";
import * as gce from "../../components/gce/contract.ts";
import * as local from "../../components/local/contract.ts";
import * as openstack from "../../components/openstack/contract.ts";
import * as shared from "../../components/shared/contract.ts";
import type { FunctionContract, ResourceContract } from "../../common/contract.ts";
import type { EngineLog } from "../../provider/engine-log.ts";
import { functions, resources } from "../../provider/registry.ts";
import { ImagesProvider } from "../../provider/server.ts";

type Contract = ResourceContract | FunctionContract;

const clouds: Record<string, object> = { ec2, gce, local, openstack };
const isContract = (value: unknown): value is Contract =>
  typeof value === "object" && value !== null && "token" in value;
const contractsOf = (module: object): Contract[] => Object.values(module).filter(isContract);
const all = [shared, ...Object.values(clouds)].flatMap(contractsOf);

/** Inputs of a lease on each cloud, beside those that all leases have. */
const places: Record<string, object> = {
  ec2: { region: "r", recorded: false, power: "on" },
  gce: { project: "p", zone: "z", recorded: false, runs: false },
  local: {},
  openstack: { region: "r", tags: {} },
};

describe("contracts", () => {
  it("are each fulfilled by one resource type or function of the plugin, and the plugin has no others", () => {
    const fulfilled: readonly { contract: Contract }[] = [...resources, ...functions];
    const tokens = (contracts: readonly Contract[]) => contracts.map(({ token }) => token).sort();
    assert.deepEqual(tokens(fulfilled.map(({ contract }) => contract)), tokens(all));
    assert.equal(new Set(tokens(all)).size, all.length, "no token twice");
  });

  it("give no output the name of an input with another schema, but where the state has another value than was asked for", () => {
    const twice = all.flatMap((contract) => {
      if (!("outputs" in contract)) return [];
      const { token, inputs, outputs } = contract;
      return Object.keys(outputs).flatMap((name) => (name in inputs ? [`${token} ${name}`] : []));
    });
    // The builder's identity: given when the image is made, read from the image later.
    assert.deepEqual(twice, ["ci-images:local:Image builder"]);
  });

  for (const [cloud, module] of Object.entries(clouds)) {
    it(`call the common resources of ${cloud} by the same names, and its steps replace on everything that names the machine`, () => {
      const named = module as Record<string, ResourceContract>;
      for (const name of ["Lease", "SealMark", "Stop", "Retirement", "Promotion"]) {
        assert.ok(isContract(named[name]), `${name} of ${cloud}`);
      }
      for (const step of [named.SealMark, named.Stop, named.Retirement]) {
        assert.deepEqual([...step.replaceOn].sort(), Object.keys(step.inputs).sort(), step.token);
      }
    });

    it(`let the plugin refuse a wrong input of a lease of ${cloud} by its name, before anything is made`, async () => {
      const provider = new ImagesProvider("1.0.0", {} as EngineLog, resources, functions);
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
