// The fake Nova and Neutron refuse what the real ones refuse, so that our mistakes can't hide behind a lenient fake.
import assert from "node:assert/strict";
import { makeSshKeyPair } from "../../../common/ssh-key-pair.ts";
import { quiet, Region } from "../../../components/openstack/provider/region.ts";
import type { Service } from "../../../components/openstack/provider/session.ts";
import { cloudForEachTest } from "./support.ts";

describe("the fake OpenStack refuses, like the real one,", () => {
  const cloud = cloudForEachTest();
  const post = (service: Service, path: string, body: object, microversion?: string) =>
    new Region("RegionOne", quiet).send<Record<string, { id: string }>>({
      service,
      method: "POST",
      path,
      body,
      microversion,
    });
  const refused = (asked: Promise<unknown>, status: number, reason: RegExp) =>
    assert.rejects(
      asked,
      (error: Error & { status?: number }) => error.status === status && reason.test(error.message),
    );
  const server = (changes: object = {}, microversion?: string) => {
    const imageRef = cloud().region().addImage({ name: "base" });
    return post("compute", "/servers", { server: { name: "one", flavorRef: "1", imageRef, ...changes } }, microversion);
  };

  it("servers with keys, names, metadata and user data that Nova's schema does not allow", async () => {
    await server();
    await refused(server({ flavour: "1" }), 400, /must NOT have additional properties/);
    await refused(server({ name: " one" }), 400, /attribute name/);
    await refused(server({ name: "n".repeat(256) }), 400, /attribute name/);
    await refused(server({ metadata: { "a/b": "c" } }), 400, /attribute metadata/);
    await refused(server({ metadata: { a: "c".repeat(256) } }), 400, /attribute metadata/);
    await refused(server({ user_data: "#cloud-config" }), 400, /attribute user_data/);
    await refused(server({ user_data: "A".repeat(65_536) }), 400, /attribute user_data/);
    await refused(server({ tags: ["a"] }), 400, /must NOT have additional properties/);
    await refused(server({ tags: ["a"] }, "2.52"), 400, /required property 'networks'/);
    await server({ tags: ["a"], networks: "auto" }, "2.52");
    await refused(server({ networks: "auto" }), 400, /attribute networks/);
  });

  it("servers with a missing security group, an ambiguous network or too little memory", async () => {
    await refused(server({ security_groups: [{ name: "mine" }] }), 400, /Security group mine not found/);
    cloud().region().addNetwork("second", false);
    await refused(server(), 409, /Multiple possible networks found/);
    const imageRef = cloud().region().addImage({ name: "large", min_ram: 4096 });
    await refused(server({ imageRef, networks: "none" }, "2.37"), 400, /memory is too small/);
  });

  it("key pairs with names that Nova does not allow", async () => {
    const { publicKey: public_key } = makeSshKeyPair();
    await post("compute", "/os-keypairs", { keypair: { name: "a b_c-1", public_key } });
    await refused(post("compute", "/os-keypairs", { keypair: { name: "a/b", public_key } }), 400, /attribute name/);
    const later = { keypair: { name: "a.b@c", public_key } };
    await refused(post("compute", "/os-keypairs", later), 400, /attribute name/);
    await post("compute", "/os-keypairs", later, "2.92");
  });

  it("duplicate rules, and rules with a wrong address family, without a protocol or without a group", async () => {
    const { security_group: group } = await post("network", "/security-groups", { security_group: { name: "mine" } });
    const rule = (changes: object = {}) => {
      const ssh = { direction: "ingress", ethertype: "IPv4", protocol: "tcp", port_range_min: 22, port_range_max: 22 };
      const whole = { security_group_id: group.id, ...ssh, remote_ip_prefix: "192.0.2.0/24", ...changes };
      return post("network", "/security-group-rules", { security_group_rule: whole });
    };
    await rule();
    await refused(rule(), 409, /rule already exists/);
    await refused(rule({ remote_ip_prefix: "2001:db8::/32" }), 400, /Conflicting value ethertype IPv4/);
    await refused(rule({ remote_ip_prefix: "192.0.2.0/33" }), 400, /Invalid CIDR/);
    await refused(rule({ protocol: undefined }), 400, /specify protocol/);
    await refused(rule({ port_range_max: undefined }), 400, /port_range_min must be <= port_range_max/);
    await refused(rule({ port_range_min: 0 }), 400, /Invalid value for port 0/);
    await refused(rule({ security_group_id: "none" }), 404, /does not exist/);
    const again = { security_group: { name: "default" } };
    await refused(post("network", "/security-groups", again), 409, /already exists/);
    await refused(post("network", "/security-groups", { security_group: { name: "Default" } }), 409, /already exists/);
  });

  it("floating addresses from internal networks, and a second one on the same port", async () => {
    const networks = [...cloud().region().collection("networks").values()] as { id: string; name: string }[];
    const [inside, outside] = ["private", "public"].map((name) => networks.find((each) => each.name === name)!.id);
    const floating = (floating_network_id: string, port_id?: string) =>
      post("network", "/floatingips", { floatingip: { floating_network_id, ...(port_id && { port_id }) } });
    await refused(floating(inside), 400, /not a valid external network/);
    const { port } = await post("network", "/ports", { port: { network_id: inside } });
    await floating(outside, port.id);
    await refused(floating(outside, port.id), 409, /already has a floating IP/);
    await refused(floating(outside, "none"), 404, /could not be found/);
  });
});
