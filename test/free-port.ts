// Ports for servers of the tests.
import { createServer, type AddressInfo } from "node:net";

/** A port of this computer's loopback on which nobody listens. */
export async function freePort(): Promise<number> {
  return listen("127.0.0.1", 0);
}

/** Whether nobody listens on a port. */
export async function isFree(host: string, port: number): Promise<boolean> {
  return listen(host, port).then(
    () => true,
    () => false,
  );
}

/** Listens for a moment. @param port 0 for any that is free. @returns the port. @throws Error if it is taken. */
function listen(host: string, port: number): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
