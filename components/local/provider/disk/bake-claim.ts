// Who may write an image's folder: one process at a time, and only the stack that the image belongs to.
import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UserError } from "../../../../common/user-error.ts";
import { rest } from "../../../../provider/kit/wait.ts";
import type { Owner } from "../../../../provider/resource.ts";
import { tryLock } from "../file-lock.ts";
import { readManifest, isProven } from "./image-store.ts";

/**
 * How long the process of a command that was killed with `kill -9` may still have its claim, in milliseconds: it takes 2 s
 * to end everything that it started (provider/main.ts), more on a busy computer.
 */
const endingTime = 6000;

/** Claims of this process by lock file: bakes run side by side, and two may have the same recipe under two names. */
const claims = new Map<string, Promise<boolean>>();

/**
 * Claims the bake of an image's recipe until this process ends. The engine ends the process when its command is over.
 * @param path The image's folder.
 * @returns false while another process bakes the recipe.
 */
export async function claimBake(path: string): Promise<boolean> {
  const file = claimOf(path);
  const claim = claims.get(file) ?? holdUntilExit(file);
  claims.set(file, claim);
  let isFree = false;
  try {
    isFree = await claim;
  } finally {
    if (!isFree && claims.get(file) === claim) claims.delete(file);
  }
  return isFree;
}

async function holdUntilExit(file: string): Promise<boolean> {
  await mkdir(dirname(file), { recursive: true });
  return await new Promise<boolean>((resolve, reject) => {
    const forever = () => {
      resolve(true);
      return new Promise<never>(() => {});
    };
    tryLock(file, forever).then((taken) => taken ?? resolve(false), reject);
  });
}

/**
 * As `claimBake`, but waits a few seconds for the process that has the claim.
 * @returns false if that one still bakes then.
 */
export function claimBakeSoon(path: string, signal: AbortSignal): Promise<boolean> {
  return untilEnded(() => claimBake(path), signal);
}

/** Does something to an image's folder unless another process bakes it, and still does after a few seconds. */
export async function unlessBaking(path: string, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  const file = claimOf(path);
  if (await claims.get(file)) return await work();
  await mkdir(dirname(file), { recursive: true });
  await untilEnded(async () => (await tryLock(file, work)) !== undefined, signal);
}

/** Tries until it works, as long as the processes of a killed command may take to end. @returns whether it worked. */
async function untilEnded(attempt: () => Promise<boolean>, signal: AbortSignal): Promise<boolean> {
  const end = Date.now() + endingTime;
  while (!(await attempt())) {
    if (Date.now() > end) return false;
    await rest(200, signal);
  }
  return true;
}

/** The lock file. The folder's name ends with the recipe hash: `worker-1a2b3c4d5e6f`. */
function claimOf(path: string): string {
  return join(dirname(path), `.${basename(path).slice(-12)}.baking`);
}

/**
 * Checks that a folder has no image of another stack.
 * @param takesOver True if the stack may replace an image that another one left unverified.
 * @throws UserError if the folder has another stack's image.
 */
export async function assertOwn(path: string, { project, stack }: Owner, takesOver = false): Promise<void> {
  const found = await readManifest(path);
  if (!found || isOwn(found, { project, stack })) return;
  if (takesOver && !(await isProven(path))) return;
  throw new UserError({
    where: path,
    found: `an image of stack ${found.stack} of project ${found.project}, with the same recipe`,
    allowed: `images of stack ${stack} of project ${project}`,
    cure:
      "set `ci-images:imageDirectory` to a folder of this stack's own; " +
      `or, if ${found.stack} is this stack's former name, change \`stack\` in ${path}/manifest.json`,
  });
}

/** Whether an image belongs to a stack. */
export function isOwn(image: Owner, { project, stack }: Owner): boolean {
  return image.project === project && image.stack === stack;
}
