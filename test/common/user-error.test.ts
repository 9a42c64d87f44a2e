import assert from "node:assert/strict";
import { UserError } from "../../common/user-error.ts";

describe("an error for users", () => {
  it("is recognized if it comes from another copy of the class, but is of no other kind", async () => {
    class Special extends UserError {}
    const copy = (await import(`${import.meta.resolve("../../common/user-error.ts")}?copy`)) as {
      UserError: typeof UserError;
    };
    assert.notEqual(copy.UserError, UserError);
    const other = new copy.UserError({ where: "here", found: "nothing" });
    assert.ok(other instanceof UserError);
    assert.ok(new Special() instanceof UserError && new Special() instanceof Special);
    assert.ok(!(other instanceof Special));
    assert.ok(!((new Error("here") as unknown) instanceof UserError));
    assert.deepEqual(Object.keys(other), []);
  });
});
