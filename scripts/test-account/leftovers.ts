// Finds everything that a test's stack has in an account, expired or not, in the state or not.
import { findCloud } from "../../components/clouds.ts";
import { calling } from "../../provider/call.ts";
import type { AccountTest, Owner } from "./accounts.ts";

/** Milliseconds after which everything has expired. */
const longAfter = 10 * 365 * 24 * 3600 * 1000;

const call = calling({ progress: () => {}, signal: new AbortController().signal });

/**
 * Finds everything with the stack's labels: machines with their parts, and images, proven or not.
 * @param own The cloud's own settings.
 * @param remove Whether to remove what is found, except proven images: only `pulumi destroy` removes these.
 * @returns one line for each thing that was found.
 */
export async function findLeftovers(
  { cloud, images }: AccountTest,
  own: Record<string, unknown>,
  owner: Owner,
  remove = false,
): Promise<string[]> {
  const { project, stack } = owner;
  const now = new Date(Date.now() + longAfter).toISOString();
  // The home folder is empty: an account has nothing on this computer.
  const asked = { project, stack, home: "", lifetime: 0, now, remove };
  const leftovers = await findCloud(cloud).sweep(own, asked, call);
  const swept = leftovers.map(({ kind, id, name = id, description = "", problem }) =>
    [kind, name, description, problem && `(not removed: ${problem})`].filter(Boolean).join(" "),
  );
  return [...swept, ...(await images(own, owner, call)).map((id) => `image ${id}`)];
}
