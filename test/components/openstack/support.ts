// A fake OpenStack for each test, with this process's environment pointing to it.
import type { PlanDescription } from "../../../provision/plan/explain.ts";
import type { Context } from "../../../provider/resource.ts";
import { formatExpiry } from "../../../common/labels.ts";
import type { InputsOf } from "../../../common/contract.ts";
import { makeSshKeyPair } from "../../../common/ssh-key-pair.ts";
import type { Lease, ServerImage } from "../../../components/openstack/contract.ts";
import {
  startOpenStack,
  type OpenStackApi,
  type OpenStackOptions,
  type Server,
} from "../../test-cloud/openstack-api.ts";

/** Variables with credentials, and the poll interval. */
const variables = /^(OS_|CI_IMAGES_POLL_SECONDS$)/;

/** A context that records the progress lines. */
export function testContext(): Context & { lines: string[]; abort: AbortController } {
  const lines: string[] = [];
  const abort = new AbortController();
  return { lines, abort, signal: abort.signal, progress: (line) => void lines.push(line) };
}

/**
 * Registers hooks that start a cloud before each test, point the environment to it, and stop it after the test.
 * @returns a function that returns the current test's cloud.
 */
export function cloudForEachTest(options: OpenStackOptions = {}): () => OpenStackApi {
  let cloud: OpenStackApi;
  let before: Record<string, string | undefined>;
  beforeEach(async () => {
    cloud = await startOpenStack(options);
    before = Object.fromEntries(Object.entries(process.env).filter(([key]) => variables.test(key)));
    setEnvironment({ ...cloud.environment, CI_IMAGES_POLL_SECONDS: "0.004" });
  });
  afterEach(async () => {
    setEnvironment(before);
    await cloud.close();
  });
  return () => cloud;
}

/** Replaces the variables with credentials and the poll interval. */
export function setEnvironment(values: Record<string, string | undefined>): void {
  for (const key of Object.keys(process.env)) if (variables.test(key)) delete process.env[key];
  Object.assign(process.env, values);
}

export const labels = {
  project: "ci-images",
  stack: "rackspace",
  distribution: "debian12",
  recipe: "0123456789abcdef",
  role: "builder" as const,
  base: "base-id",
};

export function leaseInputs(changes: Partial<InputsOf<typeof Lease>> = {}): InputsOf<typeof Lease> {
  return { region: "RegionOne", prefix: "ci-images-rackspace-debian12", labels, tags: {}, lifetime: 3600, ...changes };
}

/** Inputs of a ServerImage made from `server`. */
export function imageInputs(
  server: Server,
  changes: Partial<InputsOf<typeof ServerImage>> = {},
): InputsOf<typeof ServerImage> {
  const { project, stack, distribution, recipe } = labels;
  return {
    ...{ region: "RegionOne", project, stack, distribution, recipe, name: "worker", properties: { team: "ci" } },
    making: {
      server: server.id,
      machine: server.name,
      base: "base-id",
      expires: formatExpiry(new Date()),
      plan: { recipe } as PlanDescription,
      builder: { machineId: "1".repeat(32), hostKeys: [], loginKey: "ssh-ed25519 AAAA" },
    },
    ...changes,
  };
}

/** Adds a server through the API, like the official provider. @param changes.status Its status; running by default. */
export async function addServer(
  cloud: OpenStackApi,
  changes: { name?: string; metadata?: Record<string, string>; status?: string; fromVolume?: boolean } = {},
): Promise<Server> {
  const region = cloud.region();
  const imageId = region.addImage({ name: "debian-12", os_distro: "debian" });
  const token = await logIn(cloud);
  const device = { uuid: imageId, source_type: "image", destination_type: "volume", delete_on_termination: true };
  const source = changes.fromVolume ? { block_device_mapping_v2: [device] } : { imageRef: imageId };
  const server = { name: changes.name ?? "worker-1", flavorRef: "1", metadata: changes.metadata ?? {}, ...source };
  const response = await fetch(`${cloud.url}/RegionOne/compute/v2.1/servers`, {
    method: "POST",
    headers: { "x-auth-token": token, "content-type": "application/json" },
    body: JSON.stringify({ server }),
  });
  const { server: made } = (await response.json()) as { server: { id: string } };
  const found = region.servers.get(made.id)!;
  while (found.status === "BUILD") await new Promise((resolve) => setTimeout(resolve, 1));
  if (changes.status) found.status = changes.status;
  return found;
}

/** Adds a key pair through the API, like the official provider, which asks for microversion 2.1. */
export async function addKeyPair(cloud: OpenStackApi, name: string): Promise<number> {
  const { publicKey: public_key } = makeSshKeyPair();
  const { status } = await fetch(`${cloud.url}/RegionOne/compute/v2.1/os-keypairs`, {
    method: "POST",
    headers: { "x-auth-token": await logIn(cloud), "content-type": "application/json" },
    body: JSON.stringify({ keypair: { name, public_key } }),
  });
  return status;
}

async function logIn(cloud: OpenStackApi): Promise<string> {
  const { user, password, project, domain } = cloud.account;
  const identity = { methods: ["password"], password: { user: { name: user, password, domain: { name: domain } } } };
  const scope = { project: { name: project, domain: { name: domain } } };
  const response = await fetch(`${cloud.url}/identity/v3/auth/tokens`, {
    method: "POST",
    body: JSON.stringify({ auth: { identity, scope } }),
  });
  return response.headers.get("x-subject-token")!;
}
