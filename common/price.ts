// What a builder costs: by the price that the stack's settings name. No cloud tells a price without an account.

/** How a price is written, for messages. */
export const priceForm = 'an amount for one hour and a currency: "0.0416 USD"';

/** As a regular expression, for schemas. */
export const pricePattern = "^[0-9]+(\\.[0-9]+)? [A-Z]{3}$";

/** Money. */
export interface Cost {
  amount: number;
  /** ISO 4217: `USD`; undefined for nothing. */
  currency?: string;
}

/**
 * What a machine has cost at the most: a cloud may charge less while it is off, or round by its own rules.
 * @param pricePerHour As {@link priceForm} says.
 * @param seconds How long the machine has been there.
 * @returns with four digits after the point; undefined when the text is no price.
 */
export function costSoFar(pricePerHour: string, seconds: number): Cost | undefined {
  if (!new RegExp(pricePattern).test(pricePerHour)) return undefined;
  const [price, currency] = pricePerHour.split(" ");
  return { amount: Number(((Number(price) * seconds) / 3600).toFixed(4)), currency };
}
