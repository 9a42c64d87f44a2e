// What the AWS resource types share: a client for the region that a resource is in, tags, waits.
import { CreateTagsCommand, EC2Client, EC2ServiceException, type Tag } from "@aws-sdk/client-ec2";
import { setTimeout as delay } from "node:timers/promises";
import type { Values } from "../bridge.ts";
import type { StandInContext } from "../stand-in.ts";

/** Where resources are made: the endpoint of the test cloud's EC2, and the region of whoever names none. */
export interface Account {
  endpoint: string;
  region: string;
}

const clients = new Map<string, EC2Client>();

/** The region that a resource is in: its own, or its provider's. */
export function regionOf(account: Account, values: Values, { config }: StandInContext): string {
  return (values.region ?? config.region ?? account.region) as string;
}

/** A client as the real provider has one: it tries again when the API refuses for want of time, up to 25 times. */
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

/** Lets errors be in the words of the SDK for Go, which the real provider is written with: they have AWS's code. */
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

/** Tags as the program writes them, for a request. */
export function tagList(tags: unknown): Tag[] {
  return Object.entries((tags ?? {}) as Record<string, string>).map(([Key, Value]) => ({ Key, Value }));
}

/** Tags of an answer, as a program writes them. */
export function tagMap(tags: Tag[] | undefined): Record<string, string> {
  return Object.fromEntries((tags ?? []).map(({ Key, Value }) => [Key!, Value!]));
}

/** Whether an error says that the thing is not there. */
export function isGone(error: unknown): boolean {
  return /NotFound|Unavailable/.test((error as Error).name);
}

/** As `promise`, or undefined when the thing is not there. */
export async function unlessGone<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/**
 * Looks until a state is reached.
 * @param look Returns the state; undefined when the thing is gone.
 * @param pending States that may change to the wanted one.
 * @param unseen How often it may not be there yet: new things are not always seen at once.
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

/** Tags something that may be too new to be seen, as createTags of internal/service/ec2/tags.go does. */
export async function tagNew(client: EC2Client, id: string, tags: unknown, signal: AbortSignal): Promise<void> {
  for (;;) {
    const tagged = await unlessGone(client.send(new CreateTagsCommand({ Resources: [id], Tags: tagList(tags) })));
    if (tagged) return;
    await delay(100, undefined, { signal });
  }
}
