// Computes a builder's cost from the price in the stack's settings, because no cloud reports prices without an account.

/** The format of a price, for messages. */
export const priceForm = 'an amount for one hour and a currency: "0.0416 USD"';

/** The same as a regular expression, for schemas. */
export const pricePattern = "^[0-9]+(\\.[0-9]+)? [A-Z]{3}$";

/** An amount of money. */
export interface Cost {
  amount: number;
  /** ISO 4217: `USD`; undefined for nothing. */
  currency?: string;
}

/**
 * The most that a machine can have cost. A cloud may charge less while it is off, or round by its own rules.
 * @param pricePerHour In {@link priceForm}.
 * @param seconds How long the machine has existed.
 * @returns the amount with four decimals; undefined if the text is not a price.
 */
export function costSoFar(pricePerHour: string, seconds: number): Cost | undefined {
  if (!new RegExp(pricePattern).test(pricePerHour)) return undefined;
  const [price, currency] = pricePerHour.split(" ");
  return { amount: Number(((Number(price) * seconds) / 3600).toFixed(4)), currency };
}
