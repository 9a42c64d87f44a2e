// Options on the command line.
import assert from "node:assert/strict";
import { readCalls } from "../../cli/main.ts";

describe("the option --distribution", () => {
  const distributions = (...words: string[]) => readCalls(words).map(({ options }) => options.distribution);

  it("lists each distribution once, in all of its spellings together", () => {
    assert.deepEqual(distributions("up", "--distribution", "a,b", "--distribution", "c"), [["a", "b", "c"]]);
    assert.deepEqual(distributions("cloud:ec2", "distribution:centos7", "it:distribution=centos7"), [["centos7"]]);
    assert.deepEqual(distributions("up", "--distribution", "a,a"), [["a"]]);
  });
});
