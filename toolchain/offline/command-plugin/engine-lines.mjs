// Sends messages to the engine, in order and one call at a time. If many lines are waiting, a call takes as many as
// fit. A command that prints faster than the engine accepts lines is paused, so that they don't fill the memory.

/** The most bytes of lines in one call; the same as the official plugin's limit for one line. */
const mostInCall = 64 * 1024;

/**
 * Up to this many waiting lines are sent one by one, because the engine's plain output may show only one line per call.
 * So lines are joined only if a command prints faster than the engine accepts them.
 */
const mostOneByOne = 100;

/** The number of waiting bytes above which {@link EngineLines.room} pauses a command. */
const mostWaiting = 1024 * 1024;

/** @typedef {{ severity: number, text: string, ephemeral: boolean }} Message */

/** The messages about one resource. */
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

  /** @param {(message: Message) => Promise<void>} call Makes one call to the engine; must not fail. */
  constructor(call) {
    this.#call = call;
  }

  /** @param {Message} message If it is ephemeral, it may be joined with others by line breaks. */
  add(message) {
    this.#waiting.push(message);
    this.#bytes += message.text.length;
    this.#sending ??= this.#send();
  }

  /** @returns {Promise<void> | undefined} what to wait for before adding more messages; undefined if there is room. */
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

  /** @returns {Message} the next message, or many waiting progress lines joined into one. */
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
