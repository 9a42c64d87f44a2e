// A builder's network, without changes to the host's forwarding or firewall: a network namespace that reaches out
// through slirp4netns (TCP/IP in user space), and a loopback address that leads to its SSH.
import { createHash } from "node:crypto";
import type { Address } from "./supervisor.ts";

/** slirp4netns' name server. It forwards to this computer's own, even if that listens on loopback only. */
const nameServer = "10.0.2.3";

/** The resolv.conf of a builder. */
export const nameServers = `# The builder's own, written by ci-images; gone when it has been powered off.\nnameserver ${nameServer}\n`;

/**
 * The command that connects the network namespace at `path`. It takes requests on `network.sock` in its working
 * directory.
 */
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
 * Addresses for a machine's SSH, preferred one first. They are derived from its name, so a restarted machine keeps its
 * address. If this computer's own SSH server listens on all addresses, port 22 is taken on each of them: every second
 * candidate uses another port.
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
