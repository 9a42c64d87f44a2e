// A stack by its short or full name, as Pulumi takes both.
import assert from "node:assert/strict";
import { isSameStack } from "../../toolchain/stack-name.mjs";
import { runVerb } from "../engine/verbs.ts";
import { FakeProject } from "./fake-project.ts";

describe("a stack's name", function () {
  // Generous, because other tests may keep the computer busy.
  this.timeout(120_000);

  it("may leave out organization and project", () => {
    for (const name of ["ec2", "acme/ec2", "acme/ci-images/ec2"])
      for (const other of ["ec2", "acme/ec2", "acme/ci-images/ec2"])
        assert.ok(isSameStack(name, other), `${name} ${other}`);
    assert.ok(!isSameStack("ec2", "ec2-2") && !isSameStack("ec2", "my/gce"));
    assert.ok(!isSameStack("acme/ec2", "other/ci-images/ec2"));
    assert.ok(!isSameStack("acme/ci-images/ec2", "acme/other/ec2"));
  });

  it("may be the full one on the command line, and `doctor` previews the stack that it checked", async () => {
    const project = await FakeProject.make(`"preview "*) exit 0 ;;`, "ec2", "config:\n  ci-images:cloud: ec2\n");
    try {
      const place = { ...project, environment: { ...project.environment, PULUMI_STACK: "gce" } };
      const full = "organization/ci-images/ec2";
      const { stdout, stderr } = await runVerb(place, "doctor", "--stack", full, "--cloud", "ec2");
      assert.match(stdout, /^ok - the stack$/m, stderr);
      const calls = await project.calls();
      assert.doesNotMatch(calls.join("\n"), /^stack init/m);
      const previews = calls.filter((each) => each.startsWith("preview "));
      assert.equal(previews.length, 1);
      assert.match(previews[0], /--stack organization\/ci-images\/ec2( |$)/);
    } finally {
      await project.remove();
    }
  });
});
