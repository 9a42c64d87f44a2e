// Sends messages to the engine: in order, one call at a time; if many lines have gathered meanwhile, as many as fit
// into a call. A command that prints faster than the engine accepts lines is paused, so that they never fill the
// memory.

/** Bytes of lines in one call; the official plugin's limit for one line is 64 KiB as well. */
const mostInCall = 64 * 1024;

/**
 * Up to this many waiting lines are sent one by one: of a call with several lines, the engine's plain output may only
 * show one. Lines are only joined for a command that prints faster than the engine accepts them.
 */
const mostOneByOne = 100;

/** Bytes that may wait before {@link EngineLines.room} pauses a command. */
const mostWaiting = 1024 * 1024;

/** @typedef {{ severity: number, text: string, ephemeral: boolean }} Message */

/** Messages about one resource. */
export class EngineLines {
  /** @type {Message[]} */
  #waiting = [];
  #bytes = 0;
  /** @type {Promise<void> | undefined} */
  #sending;
  /** @type {(() => void)[]} */
  #held = [];
  /** @type {(message: Message) => Promise<void>} */
  #call;

  /** @param {(message: Message) => Promise<void>} call Makes one call; must not fail. */
  constructor(call) {
    this.#call = call;
  }

  /** @param {Message} message Ephemeral ones may be joined, with a line break between them. */
  add(message) {
    this.#waiting.push(message);
    this.#bytes += message.text.length;
    this.#sending ??= this.#send();
  }

  /** @returns {Promise<void> | undefined} undefined if there is room; else what to wait for before adding more. */
  room() {
    if (this.#bytes <= mostWaiting) return undefined;
    return new Promise((resolve) => this.#held.push(resolve));
  }

  /** Resolves when all messages have arrived. */
  async sent() {
    while (this.#sending) await this.#sending;
  }

  async #send() {
    // Messages of the same moment are sent together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      await this.#call(this.#take());
      if (this.#bytes <= mostWaiting / 2) for (const resume of this.#held.splice(0)) resume();
    }
    this.#sending = undefined;
  }

  /** @returns {Message} the next message; or, of many progress lines, all that fit into one call. */
  #take() {
    const [first] = this.#waiting;
    const isJoined = first.ephemeral && this.#waiting.length > mostOneByOne;
    let [count, bytes] = [1, first.text.length];
    for (; isJoined && count < this.#waiting.length; count++) {
      const { severity, ephemeral, text } = this.#waiting[count];
      if (severity !== first.severity || !ephemeral || bytes + text.length > mostInCall) break;
      bytes += text.length;
    }
    this.#bytes -= bytes;
    const taken = this.#waiting.splice(0, count);
    return { ...first, text: taken.map(({ text }) => text).join("\n") };
  }
}
