// File locks across processes. The kernel releases a lock when its holder dies, however it dies.
import { execa } from "execa";
import { once } from "node:events";

// Node has no flock(2), so a small shell holds the lock. It ends when its standard input closes: when we release the
// lock, or die. It removes the file while it holds the lock; a waiter that gets a removed file starts over.
const HOLDER = `
while :; do
  exec 9>>"$1" || exit 1
  flock $2 --conflict-exit-code 75 --exclusive 9 || exit
  [ "$1" -ef /proc/self/fd/9 ] && break
done
echo held
cat >/dev/null
rm -f "$1"`;

/** Options of `withLock`. */
export interface LockOptions {
  /** Called once if another holder makes us wait. */
  onWait?: () => void;
  /** Aborts the waiting, not the work. */
  signal?: AbortSignal;
}

/**
 * Runs `work` while holding the lock on `file`. Waits for other holders, in this process or in others.
 * @param file The lock's path; its folder must exist. The file exists only while the lock is held or waited for.
 */
export async function withLock<T>(file: string, work: () => Promise<T>, options: LockOptions = {}): Promise<T> {
  options.signal?.throwIfAborted();
  let release = await take(file, "--nonblock");
  if (release === undefined) {
    options.onWait?.();
    release = await take(file, "", options.signal);
  }
  if (release === undefined) throw new Error(`the lock ${file} could not be taken`);
  return await workAndRelease(release, work);
}

/**
 * Like `withLock`, but does not wait.
 * @returns undefined, without running `work`, if the lock is taken.
 */
export async function tryLock<T>(file: string, work: () => Promise<T>): Promise<{ result: T } | undefined> {
  const release = await take(file, "--nonblock");
  return release && { result: await workAndRelease(release, work) };
}

type Release = () => Promise<void>;

async function workAndRelease<T>(release: Release, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await release();
  }
}

/** Takes the lock and returns the function that releases it; undefined if the lock is taken. */
async function take(file: string, how: "--nonblock" | "", signal?: AbortSignal): Promise<Release | undefined> {
  // Detached: a terminal's interrupt goes to the whole process group, but the lock must outlast our cleanup.
  const holder = execa("bash", ["-c", HOLDER, "bash", file, how], {
    stdin: "pipe",
    detached: true,
    reject: false,
    env: { LC_ALL: "C.UTF-8" },
  });
  const ended = holder.then((result) => result);
  // With its child, the waiting flock, which has the same output.
  const abort = () => {
    if (holder.pid !== undefined) process.kill(-holder.pid, "SIGKILL");
  };
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const held = await Promise.race([once(holder.stdout, "data").then(() => true), ended.then(() => false)]);
    if (held) {
      return async () => {
        holder.stdin.end();
        await ended;
      };
    }
    signal?.throwIfAborted();
    const { exitCode, stderr } = await ended;
    if (exitCode === 75) return undefined;
    throw new Error(`the lock ${file} could not be taken: ${stderr || `exit status ${exitCode}`}`);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
