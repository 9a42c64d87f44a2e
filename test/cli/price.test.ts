// The cost of a builder, from the price in the stack's settings.
import assert from "node:assert/strict";
import fc from "fast-check";
import { costSoFar } from "../../common/price.ts";
import { checkSettings } from "../../components/stack-settings.ts";

describe("the cost of a builder", () => {
  it("is its age times the price, in the price's currency", () => {
    assert.deepEqual(costSoFar("0.0416 USD", 1800), { amount: 0.0208, currency: "USD" });
    assert.deepEqual(costSoFar("2 EUR", 0), { amount: 0, currency: "EUR" });
  });

  it("is unknown without a price", () => {
    for (const text of ["", "0.04", "cheap", "0.04 usd", "-1 USD"]) assert.equal(costSoFar(text, 60), undefined);
  });

  it("never decreases with time", () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.nat(1e6), (seconds, more) => {
        const [before, after] = [costSoFar("0.31 USD", seconds)!, costSoFar("0.31 USD", seconds + more)!];
        assert.ok(before.amount <= after.amount);
      }),
    );
  });

  it("is computed from a setting whose error shows the format", () => {
    const check = (pricePerHour: unknown) => checkSettings("Pulumi.x.yaml", "ci-images:", { pricePerHour });
    assert.equal(check("0.0416 USD").pricePerHour, "0.0416 USD");
    assert.throws(() => check("0.0416"), /ci-images:pricePerHour.*"0\.0416 USD"/s);
    assert.throws(() => check(2), /ci-images:pricePerHour/);
  });
});
