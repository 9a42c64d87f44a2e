// Shares things among the recipes of a stack: official providers, a cloud's answers, this computer's address.

/** Makes each thing once, for its first user. */
export class Once {
  private readonly made = new Map<string, unknown>();

  /** @param key Identifies the thing. */
  get<T>(key: string, make: () => T): T {
    if (!this.made.has(key)) this.made.set(key, make());
    return this.made.get(key) as T;
  }
}
