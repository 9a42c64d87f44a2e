// Shared by the AWS resource types: clients for a resource's region, tags, waits.
import { CreateTagsCommand, EC2Client, EC2ServiceException, type Tag } from "@aws-sdk/client-ec2";
import { setTimeout as delay } from "node:timers/promises";
import type { Values } from "../bridge.ts";
import type { StandInContext } from "../stand-in.ts";

/** The endpoint of the test cloud's EC2, and the default region. */
export interface Account {
  endpoint: string;
  region: string;
}

const clients = new Map<string, EC2Client>();

/** The resource's region: its own, its provider's or the default. */
export function regionOf(account: Account, values: Values, { config }: StandInContext): string {
  return (values.region ?? config.region ?? account.region) as string;
}

/** A client that, like the real provider's, retries throttled calls up to 25 times. */
export function clientFor(account: Account, values: Values, context: StandInContext): EC2Client {
  const region = regionOf(account, values, context);
  const key = `${account.endpoint} ${region}`;
  let client = clients.get(key);
  if (!client) {
    const credentials = { accessKeyId: "test", secretAccessKey: "test" };
    client = sayAsGo(new EC2Client({ region, endpoint: account.endpoint, credentials, maxAttempts: 25 }));
    clients.set(key, client);
  }
  return client;
}

/** Words errors like the SDK for Go, which the real provider uses: with AWS's error code. */
function sayAsGo(client: EC2Client): EC2Client {
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        try {
          return await next(args);
        } catch (error) {
          if (!(error instanceof EC2ServiceException)) throw error;
          const operation = `operation error EC2: ${String(commandName).replace(/Command$/, "")}`;
          const status = `https response error StatusCode: ${error.$metadata.httpStatusCode}`;
          error.message = `${operation}, ${status}, api error ${error.name}: ${error.message}`;
          throw error;
        }
      },
    { step: "initialize" },
  );
  return client;
}

/** Converts tags from the program's form to a request's. */
export function tagList(tags: unknown): Tag[] {
  return Object.entries((tags ?? {}) as Record<string, string>).map(([Key, Value]) => ({ Key, Value }));
}

/** Converts tags from an answer's form to the program's. */
export function tagMap(tags: Tag[] | undefined): Record<string, string> {
  return Object.fromEntries((tags ?? []).map(({ Key, Value }) => [Key!, Value!]));
}

/** Whether an error says that the resource does not exist. */
export function isGone(error: unknown): boolean {
  return /NotFound|Unavailable/.test((error as Error).name);
}

/** The promise's result, or undefined if the resource does not exist. */
export async function unlessGone<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/**
 * Polls until a state is reached.
 * @param look Returns the state, or undefined if the resource is gone.
 * @param pending States that may still change to the wanted one.
 * @param unseen How often the resource may be missing at first, because new ones are not always visible at once.
 */
export async function waitFor(
  what: string,
  wanted: string | undefined,
  pending: string[],
  look: () => Promise<string | undefined>,
  signal: AbortSignal,
  unseen = { times: 0 },
): Promise<void> {
  for (let left = unseen.times; ;) {
    const state = await look();
    if (state === wanted) return;
    if (state === undefined && left-- > 0) {
      await delay(100, undefined, { signal });
      continue;
    }
    if (state === undefined || !pending.includes(state)) {
      throw new Error(`${what}: unexpected state '${state ?? "gone"}', wanted target '${wanted ?? "gone"}'`);
    }
    await delay(100, undefined, { signal });
  }
}

/** Tags a resource that may be too new to be visible, like createTags in internal/service/ec2/tags.go. */
export async function tagNew(client: EC2Client, id: string, tags: unknown, signal: AbortSignal): Promise<void> {
  for (;;) {
    const tagged = await unlessGone(client.send(new CreateTagsCommand({ Resources: [id], Tags: tagList(tags) })));
    if (tagged) return;
    await delay(100, undefined, { signal });
  }
}
