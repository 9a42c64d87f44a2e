// Cuts a command's output into lines for the engine, and keeps its end for the resource's outputs and errors.

/** Longer lines are sent in parts, because progress bars have no line breaks. */
const longestLine = 32 * 1024;

/** How far from the beginning of a kept output a line may begin that is to be the first one, in characters. */
const nearStart = 1024;

/** Cuts output into lines. */
export class Lines {
  #rest = "";
  #decoder = new TextDecoder();
  /** @type {(line: string) => void} */
  #onLine;

  /** @param {(line: string) => void} onLine */
  constructor(onLine) {
    this.#onLine = onLine;
  }

  /** @param {Buffer} data */
  add(data) {
    const lines = (this.#rest + this.#decoder.decode(data, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#onLine(line.replace(/\r$/, ""));
    if (this.#rest.length < longestLine) return;
    this.#onLine(this.#rest);
    this.#rest = "";
  }

  /** Passes on what follows the last newline. */
  end() {
    if (this.#rest !== "") this.#onLine(this.#rest);
    this.#rest = "";
  }
}

/** Keeps the end of an output. */
export class Tail {
  /** @type {Buffer[]} */
  #parts = [];
  #bytes = 0;
  #dropped = 0;
  #most;

  /** @param {number} most How many bytes to keep. */
  constructor(most) {
    this.#most = most;
  }

  /** @param {Buffer} data */
  add(data) {
    this.#parts.push(data);
    this.#bytes += data.length;
    // Cuts rarely, because cutting copies everything.
    if (this.#bytes > 2 * this.#most) this.#cut();
  }

  /** The last lines. If something was dropped, a first line in brackets says how much. */
  text() {
    if (this.#bytes > this.#most) this.#cut();
    const text = Buffer.concat(this.#parts).toString("utf8");
    if (this.#dropped === 0) return text;
    // Starts with a whole line, unless that costs too much: progress bars have no line breaks.
    const begin = text.indexOf("\n") + 1;
    return `[${this.#dropped} bytes before this are left out]\n${text.slice(begin <= nearStart ? begin : 0)}`;
  }

  #cut() {
    const all = Buffer.concat(this.#parts);
    this.#parts = [all.subarray(all.length - this.#most)];
    this.#dropped += all.length - this.#most;
    this.#bytes = this.#most;
  }
}
