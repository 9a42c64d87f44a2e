// Finding the address under which machines see this computer, with the test's own servers and this computer's routes.
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { askOwnAddress, localAddressTowards, ownAddress } from "../../provider/functions/own-address.ts";

describe("this computer's own address", () => {
  const servers: Server[] = [];
  const answering = async (status: number, text: string) => {
    const server = createServer((_request, response) => response.writeHead(status).end(text));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    servers.push(server);
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  };
  const before_ = process.env.CI_IMAGES_ADDRESS_SERVER;
  afterEach(() => {
    delete process.env.CI_IMAGES_ADDRESS_SERVER;
    if (before_ !== undefined) process.env.CI_IMAGES_ADDRESS_SERVER = before_;
  });
  after(() => servers.forEach((server) => server.close()));

  const context = { progress: () => {}, signal: new AbortController().signal };
  const find = (inputs: Partial<Parameters<typeof ownAddress.call>[0]> = {}) =>
    ownAddress.call({ family: 4, ...inputs }, context);

  it("comes from the first server that answers with an address of the machines' family", async () => {
    const urls = [
      await answering(503, "203.0.113.1"),
      await answering(200, "<html>"),
      await answering(200, "2001:db8::1"),
      await answering(200, "203.0.113.7\n"),
    ];
    assert.equal(await askOwnAddress(urls), "203.0.113.7");
    assert.equal(await askOwnAddress(urls, 6), "2001:db8::1");
  });

  it("can't be found if no server answers properly; the error has the answers and the setting that avoids the question", async () => {
    const url = await answering(200, "<html>hotel login</html>");
    await assert.rejects(askOwnAddress([url]), (error: Error) =>
      [url, "hotel login", "ci-images:sshFrom"].every((part) => error.message.includes(part)),
    );
  });

  it("is the public one for machines with public addresses", async () => {
    process.env.CI_IMAGES_ADDRESS_SERVER = await answering(200, "203.0.113.7");
    assert.deepEqual(await find(), { addresses: ["203.0.113.7"] });
    assert.deepEqual(await find({ networks: ["198.51.100.0/24"] }), { addresses: ["203.0.113.7"] });
    assert.deepEqual(await find({ cloudHost: "198.51.100.1" }), { addresses: ["203.0.113.7"] });
  });

  it("is the route's source address for machines with private addresses, without asking the internet", async () => {
    process.env.CI_IMAGES_ADDRESS_SERVER = await answering(500, "");
    const { addresses, notice } = await find({ networks: ["127.3.0.0/16"] });
    assert.deepEqual(addresses, [await localAddressTowards("127.3.0.0")]);
    assert.match(
      notice!,
      /^SSH is opened to 127\..* on the way to 127\.3\.0\.0\/16, where the machines are; .*sshFrom/,
    );
    await assert.rejects(
      find({ isPrivate: true }),
      /sshFrom: not set; machines have private addresses, and their network is not known/,
    );
  });

  it("is the source address towards the cloud if there is no internet, with a notice", async () => {
    process.env.CI_IMAGES_ADDRESS_SERVER = await answering(500, "");
    const { addresses, notice } = await find({ cloudHost: "127.0.0.9" });
    assert.deepEqual(addresses, ["127.0.0.1"]);
    assert.match(notice!, /on the way to 127\.0\.0\.9, because its public address could not be found/);
  });

  it("is both if a cloud at a private address does not reveal its machines' addresses", async () => {
    process.env.CI_IMAGES_ADDRESS_SERVER = await answering(200, "203.0.113.7");
    const { addresses, notice } = await find({ cloudHost: "localhost" });
    assert.deepEqual(addresses, ["203.0.113.7", "127.0.0.1"]);
    assert.match(notice!, /203\.0\.113\.7, this computer's public address, and to 127\.0\.0\.1/);
  });

  it("is the bastion's address if there is a bastion and machines see it under a known address", async () => {
    assert.deepEqual((await find({ bastion: "198.51.100.2" })).addresses, ["198.51.100.2"]);
    assert.deepEqual((await find({ bastion: "10.0.0.2", networks: ["10.0.0.0/8"] })).addresses, ["10.0.0.2"]);
    await assert.rejects(
      find({ bastion: "198.51.100.2", isPrivate: true }),
      /sshFrom: not set; machines have private addresses, but the bastion's only known address is public \(198\.51\.100\.2\)/,
    );
  });
});
