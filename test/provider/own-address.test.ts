// Finding this computer's own address, against servers of the test's own.
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { askOwnAddress } from "../../provider/functions/own-address.ts";

describe("this computer's own address", () => {
  const servers: Server[] = [];
  const answering = async (status: number, text: string) => {
    const server = createServer((_request, response) => response.writeHead(status).end(text));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    servers.push(server);
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  };
  after(() => servers.forEach((server) => server.close()));

  it("is what the first server says that answers with an address", async () => {
    const urls = [
      await answering(503, "203.0.113.1"),
      await answering(200, "<html>"),
      await answering(200, "203.0.113.7\n"),
    ];
    assert.equal(await askOwnAddress(urls), "203.0.113.7");
  });

  it("is refused with every server's answer and the setting that makes asking unnecessary", async () => {
    const url = await answering(200, "<html>hotel login</html>");
    await assert.rejects(askOwnAddress([url]), (error: Error) =>
      [url, "hotel login", "ci-images:sshFrom"].every((part) => error.message.includes(part)),
    );
  });
});
