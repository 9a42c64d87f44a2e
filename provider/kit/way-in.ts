// Finds how a bake can log in to a machine: through its own SSH server (provision/builder/door.ts) if that works,
// otherwise through ordinary SSH. A machine that refuses a login may still be booting, so that is an error only after
// some time.
import { doorPort, doorUser } from "../../provision/builder/door.ts";
import { logIn, type LoginAnswer } from "./ssh-answer.ts";
import type { Connection } from "./connection.ts";
import { isForward } from "../tunnels.ts";
import type { Seen } from "./wait.ts";

/** The port and account that commands log in to. */
export interface Way {
  sshPort: number;
  sshUser: string;
}

/** The connections to try. */
export interface Ways {
  /** Through the bake's own SSH server; undefined if there can't be one. */
  own?: Connection;
  /** Through the machine's ordinary SSH; undefined while its host key is unknown. */
  ordinary?: Connection;
}

export interface WayOptions {
  /** The login key, OpenSSH format. */
  privateKey: string;
  /** Milliseconds in which the machine must start to answer, per check. */
  patience: number;
  /**
   * Seconds to wait for the bake's own SSH server once ordinary SSH accepts us. It starts before ordinary SSH, so by
   * then it is more likely missing than late.
   */
  grace?: number;
  /** Seconds after which a refused key is an error: guest agents install keys after sshd has started. */
  refusal?: number;
  /** Seconds after which an accepted but closed login is an error: PAM blocks logins until the boot has ended. */
  closing?: number;
}

/** Both connections to a machine with a known host key. A port forward leads only to its ordinary SSH. */
export function waysTo(ordinary: Connection): Ways {
  return { ordinary, ...(!isForward(ordinary.host) && { own: { ...ordinary, port: doorPort, user: doorUser } }) };
}

/** Checks whether and how a bake can log in to a machine. */
export class WayFinder {
  /** When a lasting condition was first seen, in milliseconds since the epoch. */
  private readonly since = new Map<"in" | "refused" | "closed", number>();

  constructor(private readonly options: WayOptions) {}

  /** Checks once. @returns the connection that works; a state, empty if nothing answers; or why it will never work. */
  async look({ own, ordinary }: Ways): Promise<Seen<Connection>> {
    const { privateKey, patience, grace = 15, refusal = 60, closing = 300 } = this.options;
    const none: LoginAnswer = { kind: "nobody", said: "" };
    const attempt = (connection?: Connection) => (connection ? logIn(connection, privateKey, patience) : none);
    const [byOwn, byOrdinary] = await Promise.all([attempt(own), attempt(ordinary)]);
    if (own && byOwn.kind === "in") return { done: own };
    if (ordinary && byOrdinary.kind === "in") {
      return !own || this.lasts("in", true) >= grace ? { done: ordinary } : { state: "" };
    }
    this.lasts("in", false);
    const answers = [byOrdinary, byOwn];
    const [refused, closed] = (["refused", "closed"] as const).map((kind) =>
      this.lasts(
        kind,
        answers.some((answer) => answer.kind === kind),
      ),
    );
    const state = [describe(own, byOwn), describe(ordinary, byOrdinary)].filter(Boolean).join("; ");
    if (refused < refusal && closed < closing) return { state };
    return { failed: `it has booted, but ${state}`, cure: refusedCure };
  }

  /** Seconds for which the condition has lasted; 0 if it doesn't hold. */
  private lasts(what: "in" | "refused" | "closed", isSo: boolean): number {
    if (!isSo) this.since.delete(what);
    else if (!this.since.has(what)) this.since.set(what, Date.now());
    return (Date.now() - (this.since.get(what) ?? Date.now())) / 1000;
  }
}

/** The cure for a machine that refuses the bake. */
export const refusedCure =
  "check what the base image or the recipe does to logins: cloud-init turned off or with another default user, " +
  "AuthorizedKeysFile, AllowUsers and PermitRootLogin of sshd, the account's shell, PAM, /etc/nologin";

function describe(connection: Connection | undefined, { kind, said }: LoginAnswer): string {
  if (!connection || kind === "in" || (kind === "nobody" && !said.includes("host key"))) return "";
  const { port, user } = connection;
  const what = {
    nobody: "answers with another host key",
    refused: `refuses ${user}'s login with the bake's key`,
    closed: `accepts ${user}'s login, but runs no command`,
  };
  return `SSH at port ${port} ${what[kind]}${said && ` (${said})`}`;
}
