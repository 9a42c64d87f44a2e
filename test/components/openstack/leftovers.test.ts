// The sweep removes expired leftovers and nothing else.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { cloudLabels, formatExpiry } from "../../../common/labels.ts";
import { openstackLabels } from "../../../components/openstack/facts/labels.ts";
import { machineName } from "../../../components/openstack/provider/belongings.ts";
import { sweep } from "../../../components/openstack/provider/functions/sweep.ts";
import { addServer, cloudForEachTest, labels, testContext } from "./support.ts";

const past = formatExpiry(new Date(Date.now() - 60_000));
const future = formatExpiry(new Date(Date.now() + 3600_000));
const { project, stack } = labels;

describe("rackspace sweep", () => {
  const cloud = cloudForEachTest();
  const run = async (remove = false) => {
    const inputs = { regions: ["RegionOne"], lifetime: 3600, remove, project, stack };
    return (await sweep.call(inputs, testContext())).leftovers;
  };
  const metadata = (expires: string, changes = {}) => cloudLabels(openstackLabels, { ...labels, ...changes, expires });
  const image = (properties: Record<string, string>, name: string) => {
    const id = randomUUID();
    return cloud()
      .region()
      .addImage({ ...properties, id, name, owner: cloud().account.project, visibility: "private" });
  };
  const thing = (collection: string, fields: Record<string, unknown>) => {
    const id = randomUUID();
    const project_id = cloud().account.project;
    cloud()
      .region()
      .collection(collection)
      .set(id, { id, project_id, created_at: "2020-01-01T00:00:00Z", ...fields });
    return id;
  };

  it("lists expired servers and unverified images, and removes them only on request", async () => {
    const server = await addServer(cloud(), { name: "old", metadata: metadata(past) });
    await addServer(cloud(), { name: "young", metadata: metadata(future) });
    await addServer(cloud(), { name: "theirs", metadata: metadata(past, { stack: "other" }) });
    await addServer(cloud(), { name: "foreign" });
    const unproven = image(metadata(past, { role: "image" }), "unproven");
    const properties = cloudLabels(openstackLabels, { ...labels, role: "image" });
    const proven = image(properties, "proven");
    const found = (await run()).map(({ kind, id }) => `${kind} ${id}`);
    assert.deepEqual(found, [`server ${server.id}`, `image ${unproven}`]);
    assert.equal(cloud().region().servers.size, 4);
    await run(true);
    const names = [...cloud().region().servers.values()].map(({ name }) => name);
    assert.deepEqual(names.sort(), ["foreign", "theirs", "young"]);
    assert.ok(cloud().region().images.has(proven));
    assert.ok(!cloud().region().images.has(unproven));
  });

  it("removes a server's port, security group and key pair with it, and keeps those of other servers", async () => {
    const name = (digits: string) => `${project}-${stack}-debian12-01234567-builder-${digits}`;
    for (const [digits, expires] of [
      ["0a1b2c", past],
      ["ffffff", future],
    ] as const) {
      const own = { name: name(digits), created_at: new Date().toISOString() };
      const server = await addServer(cloud(), { name: `server-${digits}`, metadata: metadata(expires) });
      server.keyName = own.name;
      server.securityGroups = [own.name];
      thing("security-groups", own);
      thing("ports", { ...own, device_id: server.id });
      cloud()
        .region()
        .keypairs.set(own.name, { public_key: "ssh-ed25519 AAAA", ...own });
    }
    const kinds = ["server", "port", "security group", "key pair"];
    assert.deepEqual(
      (await run()).map(({ kind }) => kind),
      kinds,
    );
    assert.deepEqual(
      (await run(true)).map(({ kind, problem }) => problem ?? kind),
      kinds,
    );
    assert.deepEqual(await run(), []);
    const left = ["ports", "security-groups"].map((each) => cloud().region().collection(each).size);
    assert.deepEqual([...left, cloud().region().keypairs.size, cloud().region().servers.size], [1, 1, 1, 1]);
  });

  it("removes addresses, ports, groups and key pairs of machines that are gone, by name and age", async () => {
    const name = `${project}-${stack}-debian12-01234567-builder-0a1b2c`;
    const ids = [
      thing("floatingips", { description: name }),
      thing("ports", { name, device_id: "" }),
      thing("security-groups", { name }),
    ];
    cloud()
      .region()
      .keypairs.set(name, { name, public_key: "ssh-ed25519 AAAA", created_at: "2020-01-01T00:00:00.000000" });
    // None of these is our leftover: still in use, another name, too young, or another stack's.
    thing("ports", { name, device_id: "somebody's" });
    thing("security-groups", { name: `${project}-${stack}-office` });
    thing("security-groups", { name: name.replace("0a1b2c", "ffffff"), created_at: new Date().toISOString() });
    thing("security-groups", { name: name.replace(stack, "other") });
    thing("security-groups", { name: name.replace(stack, `${stack}-next`) });
    assert.deepEqual(
      (await run(true)).map(({ id }) => id),
      [...ids, name],
    );
    const left = ["floatingips", "ports", "security-groups"].map((each) => cloud().region().collection(each).size);
    assert.deepEqual([...left, cloud().region().keypairs.size], [0, 1, 4, 0]);
    assert.deepEqual(await run(), []);
  });

  it("recognizes the names of machines whose distribution or stack has a dot, also those of older versions", async () => {
    const prefix = `${project}-${stack}-ubuntu24.04-01234567-builder`;
    const ids = [
      thing("security-groups", { name: machineName(prefix, "0a1b2c") }),
      thing("security-groups", { name: `${prefix}-0a1b2c` }),
    ];
    assert.deepEqual(
      (await run()).map(({ id }) => id),
      ids,
    );
  });

  it("keeps what a server still uses", async () => {
    const name = `${project}-${stack}-debian12-01234567-builder-0a1b2c`;
    thing("security-groups", { name });
    const server = await addServer(cloud(), { metadata: metadata(future) });
    server.securityGroups = [name];
    assert.deepEqual(await run(), []);
  });

  it("reports what it could not remove and continues with the rest", async () => {
    await addServer(cloud(), { name: "locked", metadata: metadata(past) });
    image(metadata(past, { role: "image" }), "unproven");
    cloud().faults.refuse({ matches: /^DELETE .*servers/, status: 409, message: "locked" });
    const [server, other] = await run(true);
    assert.match(server.problem!, /409: locked/);
    assert.equal(other.problem, undefined);
    assert.deepEqual(
      (await run()).map(({ name }) => name),
      ["locked"],
    );
  });
});
