// A lock that several processes can wait for, and that the kernel releases when its holder dies, however it dies.
import { execa } from "execa";
import { once } from "node:events";

// Node has no flock(2). The lock is held by a small shell that ends when its standard input does, which is when we let
// go or die. The file is removed under the lock; whoever waited for the removed file sees that and starts over.
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
  /** Called once when somebody else holds the lock and we start to wait. */
  onWait?: () => void;
  /** Ends the waiting (not the work) when it is aborted. */
  signal?: AbortSignal;
}

/**
 * Runs `work` while holding the lock on `file`. Waits for other holders, in this process or in others.
 * @param file The lock's path; its folder must exist. The file is there only while somebody holds or wants the lock.
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
 * As `withLock`, without waiting.
 * @returns undefined, without running `work`, when somebody else holds the lock.
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

/** Starts the shell that holds the lock, and returns how to let go once it does; undefined when the lock is taken. */
async function take(file: string, how: "--nonblock" | "", signal?: AbortSignal): Promise<Release | undefined> {
  // Detached: an interrupt from the terminal goes to the whole process group, and the lock must outlast our clean-up.
  const holder = execa("bash", ["-c", HOLDER, "bash", file, how], {
    stdin: "pipe",
    detached: true,
    reject: false,
    env: { LC_ALL: "C.UTF-8" },
  });
  const ended = holder.then((result) => result);
  const abort = () => holder.kill("SIGKILL");
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
