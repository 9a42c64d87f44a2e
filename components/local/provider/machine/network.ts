// How a builder gets a network without touching the host's forwarding or firewall: a network namespace whose way out is
// slirp4netns, a TCP/IP in user space, and a loopback address of its own that leads to its SSH.
import { createHash } from "node:crypto";
import type { Address } from "./supervisor.ts";

/** slirp4netns' own name server; it asks whatever name server this computer uses, also one that listens on loopback only. */
const nameServer = "10.0.2.3";

/** The resolv.conf of a builder. */
export const nameServers = `# The builder's own, written by ci-images; gone when it has been powered off.\nnameserver ${nameServer}\n`;

/** Gives the network namespace at `path` a network; requests go to `network.sock` in the working directory. */
export function networkCommand(path: string): string[] {
  const options = [
    "--configure",
    "--mtu=65520",
    "--disable-host-loopback",
    "--ready-fd=3",
    "--api-socket=network.sock",
  ];
  return ["slirp4netns", ...options, "--netns-type=path", path, "tap0"];
}

/**
 * Addresses for a machine's SSH, the preferred one first. They are made from its name, so a machine that is started again
 * is where it was. Port 22 can't be had on any of them where an SSH server of this computer listens on all addresses:
 * every second one is another port.
 */
export function addressesFor(name: string): Address[] {
  const candidates = Array.from({ length: 12 }, (_, index) => {
    const [third, fourth] = createHash("sha256").update(`${name} ${index}`).digest();
    return `127.77.${third}.${1 + (fourth % 254)}`;
  });
  return candidates.flatMap((host) => [
    { host, port: 22 },
    { host, port: 2222 },
  ]);
}
