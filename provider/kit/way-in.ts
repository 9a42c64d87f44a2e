// Which way a machine lets a bake in: the bake's own (provision/builder/door.ts) where it works, otherwise the machine's ordinary SSH.
// A machine that refuses a login may only be late, because it is still booting: it is an error after some time.
import { doorPort, doorUser } from "../../provision/builder/door.ts";
import { logIn, type LoginAnswer } from "./ssh-answer.ts";
import type { Connection } from "./connection.ts";
import { isForward } from "../tunnels.ts";
import type { Seen } from "./wait.ts";

/** Where and as whom commands log in. */
export interface Way {
  sshPort: number;
  sshUser: string;
}

/** How a machine may let a bake in. */
export interface Ways {
  /** By the bake's own way in; undefined where there can't be one. */
  own?: Connection;
  /** By the machine's ordinary SSH; undefined while its host key is not known. */
  ordinary?: Connection;
}

export interface WayOptions {
  /** The key that logs in, OpenSSH format. */
  privateKey: string;
  /** Milliseconds in which the machine must begin to answer, at each look. */
  patience: number;
  /** Seconds that the bake's own way in gets when ordinary SSH lets us in: it is made before that starts, so it is not late, but missing. */
  grace?: number;
  /** Seconds after which a key that is not accepted is an error: guest agents put it in place after sshd has started. */
  refusal?: number;
  /** Seconds after which a login that is accepted and closed is an error: PAM keeps people out until the boot has ended. */
  closing?: number;
}

/** The two ways into a machine that is known by one host key. A port forward leads to its ordinary SSH only. */
export function waysTo(ordinary: Connection): Ways {
  return { ordinary, ...(!isForward(ordinary.host) && { own: { ...ordinary, port: doorPort, user: doorUser } }) };
}

/** Looks, as often as it is asked, whether and how a machine lets a bake in. */
export class WayFinder {
  /** Milliseconds since the epoch at which something was seen that has lasted since. */
  private readonly since = new Map<"in" | "refused" | "closed", number>();

  constructor(private readonly options: WayOptions) {}

  /** @returns the connection that works; or a state, empty where nobody answers; or why it will never work. */
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

  /** Seconds for which it has been so; 0 when it is not. */
  private lasts(what: "in" | "refused" | "closed", isSo: boolean): number {
    if (!isSo) this.since.delete(what);
    else if (!this.since.has(what)) this.since.set(what, Date.now());
    return (Date.now() - (this.since.get(what) ?? Date.now())) / 1000;
  }
}

/** What to do about a machine that keeps the bake out. */
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
