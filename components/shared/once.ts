// What the recipes of a stack have in common: official providers, answers of a cloud, this computer's address.

/** Makes things once, whoever asks first. */
export class Once {
  private readonly made = new Map<string, unknown>();

  /** @param key The same for the same thing. */
  get<T>(key: string, make: () => T): T {
    if (!this.made.has(key)) this.made.set(key, make());
    return this.made.get(key) as T;
  }
}
