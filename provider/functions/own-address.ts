// Finds the address from which our SSH connections reach a bake's machines: what a cloud's firewall must let in.
import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { get as getPlain } from "node:http";
import { get as getSecure } from "node:https";
import { BlockList, isIP, isIPv4 } from "node:net";
import { UserError } from "../../common/user-error.ts";
import type { AnswerOf, InputsOf } from "../../common/contract.ts";
import { ownAddress as contract } from "../../components/shared/contract.ts";
import { answer } from "../resource.ts";

/** Servers that return only the caller's address; the first answer is used. */
const servers = ["https://checkip.amazonaws.com", "https://api.ipify.org", "https://icanhazip.com"];

/** Milliseconds that a server may take. */
const patience = 5000;

const where = "stack setting ci-images:sshFrom";
const cure =
  "name the addresses that may reach the builders: npx pulumi config set --path 'ci-images:sshFrom[0]' 203.0.113.7/32";

/** Addresses that are only valid inside a network: RFC 1918, RFC 6598 (carriers, and VPCs), RFC 3927, RFC 4193. */
const inside = new BlockList();
for (const [network, bits] of [
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["100.64.0.0", 10],
  ["169.254.0.0", 16],
  ["127.0.0.0", 8],
] as const) {
  inside.addSubnet(network, bits, "ipv4");
}
for (const [network, bits] of [
  ["fc00::", 7],
  ["fe80::", 10],
  ["::1", 128],
] as const) {
  inside.addSubnet(network, bits, "ipv6");
}

/** Whether an address can't be reached from the internet. */
export function isPrivateAddress(address: string): boolean {
  return inside.check(address, isIPv4(address) ? "ipv4" : "ipv6");
}

/**
 * Asks servers in turn for our public address.
 * @param urls The servers.
 * @param family The machines' address family.
 * @throws UserError with each server's answer if none returned an address.
 */
export async function askOwnAddress(urls: readonly string[], family: 4 | 6 = 4, signal?: AbortSignal): Promise<string> {
  const answers: string[] = [];
  for (const url of urls) {
    const limits = [AbortSignal.timeout(patience), ...(signal ? [signal] : [])];
    try {
      const { status, text } = await ask(url, family, AbortSignal.any(limits));
      if (status === 200 && isIP(text) === family) return text;
      answers.push(`${url}: ${status} ${JSON.stringify(text.slice(0, 40))}`);
    } catch (error) {
      signal?.throwIfAborted();
      answers.push(`${url}: ${(error as Error).message}`);
    }
  }
  const found = `not set, and this computer's public IPv${family} address could not be found (${answers.join("; ")})`;
  throw new UserError({ where, found, cure });
}

/** Not `fetch`, which can't select an address family. */
function ask(url: string, family: 4 | 6, signal: AbortSignal): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const get = url.startsWith("https:") ? getSecure : getPlain;
    const request = get(url, { family, signal }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text: text.trim() }));
      response.on("error", reject);
    });
    request.on("error", reject);
  });
}

/**
 * This computer's source address for packets to another one, according to the routing table. Sends nothing.
 * @param target An address.
 * @throws UserError if there is no route.
 */
export async function localAddressTowards(target: string): Promise<string> {
  const socket = createSocket(isIPv4(target) ? "udp4" : "udp6");
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      // Any port will do: connecting a datagram socket only assigns its address.
      socket.connect(9, target, resolve);
    });
    return socket.address().address;
  } catch (error) {
    const found = `not set, and this computer has no route to ${target} (${(error as NodeJS.ErrnoException).code})`;
    throw new UserError({ where, found, cure });
  } finally {
    socket.close();
  }
}

/**
 * Machines with public addresses see our public address, machines with private addresses the one on the route to them.
 * CI_IMAGES_ADDRESS_SERVER names another server that returns the public address.
 */
export const ownAddress = answer(contract, async (inputs, { signal }): Promise<OwnAddress> => {
  if (inputs.bastion !== undefined) return addressOfBastion(inputs, inputs.bastion);
  const target = insideTarget(inputs);
  if (target !== undefined) return routed(target.address, `to ${target.network}, where the machines are`);
  if (inputs.isPrivate) {
    const found = "not set; machines have private addresses, and their network is not known";
    throw new UserError({ where, found, cure });
  }
  const known = inputs.networks !== undefined && inputs.networks.length > 0;
  const besides = inputs.cloudHost === undefined ? undefined : await cloudAddress(inputs.cloudHost, inputs.family);
  const own = process.env.CI_IMAGES_ADDRESS_SERVER;
  try {
    const address = await askOwnAddress(own ? [own] : servers, inputs.family, signal);
    // A cloud at a private address may have machines at private or public ones: open both.
    if (known || besides === undefined || !isPrivateAddress(besides)) return { addresses: [address] };
    const { addresses } = await routed(besides, "");
    return {
      addresses: [...new Set([address, ...addresses])],
      notice: `SSH is opened to ${address}, this computer's public address, and to ${addresses[0]}, its address on the way to ${inputs.cloudHost}; ${hint}`,
    };
  } catch (error) {
    signal.throwIfAborted();
    if (besides === undefined || !(error instanceof UserError)) throw error;
    return routed(besides, `to ${inputs.cloudHost}, because its public address could not be found`);
  }
});

type OwnAddressInputs = InputsOf<typeof contract>;
type OwnAddress = AnswerOf<typeof contract>;

const hint = "if connections arrive from another one, set ci-images:sshFrom";

async function routed(target: string, way: string): Promise<OwnAddress> {
  const address = await localAddressTowards(target);
  return {
    addresses: [address],
    notice: `SSH is opened to ${address}, this computer's address on the way ${way}; ${hint}`,
  };
}

/** The first network with private addresses. */
function insideTarget({ networks = [], family }: OwnAddressInputs) {
  return networks
    .map((network) => ({ network, address: network.split("/")[0] }))
    .find(({ address }) => isIP(address) === family && isPrivateAddress(address));
}

async function cloudAddress(host: string, family: 4 | 6): Promise<string | undefined> {
  try {
    return (await lookup(host, { family })).address;
  } catch {
    // The host has only addresses of the other family, which don't help.
    return undefined;
  }
}

/** The bastion's address. Machines see it only if both are public, or both private; otherwise it is unknown. */
async function addressOfBastion(inputs: OwnAddressInputs, bastion: string): Promise<OwnAddress> {
  const { networks = [], isPrivate, family } = inputs;
  const inner = isPrivate === true || insideTarget(inputs) !== undefined;
  const isKnown = isPrivate !== undefined || networks.length > 0;
  const address = await cloudAddress(bastion, family);
  if (address === undefined) {
    throw new UserError({ where, found: `not set, and the bastion ${bastion} has no IPv${family} address`, cure });
  }
  if (isKnown && isPrivateAddress(address) !== inner) {
    const [kind, other] = inner ? ["private", "public"] : ["public", "private"];
    const found = `not set; machines have ${kind} addresses, but the bastion's only known address is ${other} (${address})`;
    throw new UserError({ where, found, allowed: "the networks that the bastion's connections come from", cure });
  }
  return { addresses: [address], notice: `SSH is opened to ${address}, the bastion's address; ${hint}` };
}
