// Everything that a stack of ours has in an account, whatever its expiry and the state.
import { findCloud } from "../../components/clouds.ts";
import { calling } from "../../provider/call.ts";
import type { AccountTest, Owner } from "./accounts.ts";

/** A time by which all machines and what belongs to them have expired. */
const longAfter = 10 * 365 * 24 * 3600 * 1000;

const call = calling({ progress: () => {}, signal: new AbortController().signal });

/**
 * Finds everything with the stack's labels: machines with what belongs to them, and images, proven or not.
 * @param own The cloud's own settings.
 * @param remove Removes what it finds, except proven images, which the state removes.
 * @returns one line for each; empty if there is nothing.
 */
export async function findLeftovers(
  { cloud, images }: AccountTest,
  own: Record<string, unknown>,
  owner: Owner,
  remove = false,
): Promise<string[]> {
  const { project, stack } = owner;
  const now = new Date(Date.now() + longAfter).toISOString();
  // An account has nothing on this computer.
  const asked = { project, stack, home: "", lifetime: 0, now, remove };
  const leftovers = await findCloud(cloud).sweep(own, asked, call);
  const swept = leftovers.map(({ kind, id, name = id, description = "", problem }) =>
    [kind, name, description, problem && `(not removed: ${problem})`].filter(Boolean).join(" "),
  );
  return [...swept, ...(await images(own, owner, call)).map((id) => `image ${id}`)];
}
