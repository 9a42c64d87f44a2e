// The error class for users, and the parts of its messages.
import { inspect } from "node:util";

/** The parts of a message to a user: where the problem is, what was found, what is allowed, and the cure. */
export interface Complaint {
  /** The file, stack setting, resource or command the problem is in, e.g. `recipes/worker.yaml`. */
  where: string;
  /** The key inside it, as a path: `add_users[0].name`. */
  key?: string;
  /** What was found, in words or as the value itself. */
  found: string;
  /** What is allowed instead. */
  allowed?: string;
  /** What to do about it: a command to run or an edit to make. */
  cure?: string;
}

const brand = Symbol.for("ci-images.UserError");

/**
 * An error for users. Its message says where the problem is, what was found, what is allowed, and the cure, without a
 * stack trace. Any other thrown error is a bug, and keeps its trace.
 */
export class UserError extends Error {
  declare readonly complaints: readonly Complaint[];

  /** Recognizes errors of a second copy of this class, too: a user's module may load its own copy. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== UserError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === "object" && value !== null && brand in value;
  }

  /** @param complaints One or more: users want to see all wrong keys of a file at once. */
  constructor(...complaints: Complaint[]) {
    super(complaints.map(describe).join("\n"));
    this.say(this.message, complaints);
  }

  /** An error with a message that this class made in another process. */
  static relayed(message: string): UserError {
    const error = new UserError();
    error.say(message, []);
    return error;
  }

  get [brand](): true {
    return true;
  }

  /** Shows the plain message: Node would put an error without a trace in brackets. */
  [inspect.custom](): string {
    return this.message;
  }

  /** Hides everything but the message, because error printers show the stack and all enumerable properties. */
  private say(message: string, complaints: readonly Complaint[]): void {
    const hidden = { configurable: true, enumerable: false, writable: true };
    Object.defineProperties(this, {
      name: { ...hidden, value: "UserError" },
      message: { ...hidden, value: message },
      stack: { ...hidden, value: message },
      complaints: { ...hidden, value: complaints },
    });
  }
}

function describe({ where, key, found, allowed, cure }: Complaint): string {
  const place = key === undefined ? where : `${where}: ${key}`;
  return [`${place}: ${found}`, allowed && `allowed: ${allowed}`, cure && `cure: ${cure}`].filter(Boolean).join("; ");
}
