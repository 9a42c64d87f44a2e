// Labels and names that the clouds allow.
import assert from "node:assert/strict";
import fc from "fast-check";
import { cloudLabels, cloudName, formatExpiry, isPast, parseExpiry } from "../../common/labels.ts";
import { ec2Labels } from "../../components/ec2/facts/labels.ts";
import { gceLabels } from "../../components/gce/facts/labels.ts";
import { openstackLabels } from "../../components/openstack/facts/labels.ts";

const parts = fc.tuple(
  fc.array(fc.string({ maxLength: 60 }), { minLength: 1, maxLength: 4 }),
  fc.stringMatching(/^[0-9a-f]{12}$/),
);

describe("labels and names in clouds", () => {
  it("are valid in every cloud; names end with their last part", () => {
    const allowed = [
      [ec2Labels, /^[A-Za-z0-9()[\] ./'@_-]{3,128}$/],
      [gceLabels, /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/],
      [openstackLabels, /^[A-Za-z0-9._-]{1,255}$/],
    ] as const;
    for (const [rules, pattern] of allowed) {
      fc.assert(
        fc.property(parts, ([first, last]) => {
          const name = cloudName(rules, ...first, last);
          assert.match(name, pattern);
          assert.ok(name.endsWith(last));
        }),
      );
    }
  });

  it("stay different for different things, however long the names are", () => {
    fc.assert(
      fc.property(parts, parts, ([a, lastA], [b, lastB]) => {
        const [one, other] = [
          [...a, lastA],
          [...b, lastB],
        ];
        // "a-b" and "a", "b" give the same name if nothing has to be cut.
        fc.pre(one.join("-").toLowerCase() !== other.join("-").toLowerCase());
        assert.notEqual(cloudName(gceLabels, ...one), cloudName(gceLabels, ...other));
      }),
    );
  });

  it("keep a plain name unchanged", () => {
    assert.equal(cloudName(ec2Labels, "worker", "debian12", "0123456789ab"), "worker-debian12-0123456789ab");
  });

  it("are lower-case and at most 63 characters long on gce; the user's tags never override ours", () => {
    const labels = cloudLabels(gceLabels, { recipe: "A".repeat(64), stack: "my.stack" }, { Team: "R&D" });
    assert.deepEqual(labels, { team: "r-d", "ci-images-recipe": "a".repeat(63), "ci-images-stack": "my-stack" });
    assert.deepEqual(cloudLabels(ec2Labels, { stack: "ours" }, { "ci-images:stack": "theirs" }), {
      "ci-images:stack": "ours",
    });
  });

  it("can hold an expiry to the second, also in a gce label", () => {
    const range = { min: new Date("2000-01-01"), max: new Date("2200-01-01"), noInvalidDate: true };
    fc.assert(
      fc.property(fc.date(range), (date) => {
        const whole = Math.floor(date.getTime() / 1000) * 1000;
        assert.equal(parseExpiry(formatExpiry(date))?.getTime(), whole);
        assert.equal(parseExpiry(formatExpiry(date).toLowerCase())?.getTime(), whole);
      }),
    );
    assert.equal(parseExpiry("tomorrow"), undefined);
    const noon = new Date("2026-11-21T12:00:00Z");
    const times = ["20261121T115959Z", "20261121t120001z", "tomorrow", undefined];
    assert.deepEqual(
      times.map((time) => isPast(time, noon)),
      [true, false, false, false],
    );
    assert.equal(parseExpiry("20261399T000000Z"), undefined);
  });
});
