// Splitting a command line: several verbs on one line, options before them, and the old tool's spelling.
import assert from "node:assert/strict";
import { splitCommandLine, type VerbShape } from "../../cli/split-command-line.ts";

const values = ["--cloud", "--region", "--distribution", "-o"];
const takesValue = (option: string) => values.includes(option);
const verbs: VerbShape[] = [
  { name: "it", operands: 0, takesValue },
  { name: "up", operands: 0, takesValue },
  { name: "tests", operands: 0, takesValue },
  { name: "create-image", aliases: ["create_image"], operands: 0, takesValue },
  { name: "ssh", operands: 1, takesAllWords: true, takesValue },
  { name: "export", operands: 1, takesValue },
  { name: "help", operands: 1, takesAllWords: true, takesValue },
];
const split = (...words: string[]) =>
  splitCommandLine(words, verbs, takesValue).map(({ verb, words: own }) => [verb, ...own]);

describe("the words of a command line", () => {
  it("are split at the verbs, and options before the first apply to all", () => {
    assert.deepEqual(split("--cloud", "ec2", "up", "tests"), [
      ["up", "--cloud", "ec2"],
      ["tests", "--cloud", "ec2"],
    ]);
    assert.deepEqual(split("up", "--cloud", "tests", "tests"), [["up", "--cloud", "tests"], ["tests"]]);
  });

  it("accept the old tool's spelling: settings before a verb, arguments of a verb, names with _", () => {
    assert.deepEqual(split("cloud:ec2", "region:us-west-2", "distribution:centos7", "up"), [
      ["up", "--cloud", "ec2", "--region", "us-west-2", "--distribution", "centos7"],
    ]);
    assert.deepEqual(split("it:cloud=ec2,distribution=centos7"), [
      ["it", "--cloud", "ec2", "--distribution", "centos7"],
    ]);
    assert.deepEqual(split("it:distribution=a\\,b"), [["it", "--distribution", "a,b"]]);
    assert.deepEqual(split("create_image"), [["create-image"]]);
    assert.deepEqual(split("ssh:ls -l"), [["ssh", "--", "ls -l"]]);
  });

  it("belong to ssh after its name, even if they are verbs", () => {
    assert.deepEqual(split("up", "ssh", "ls", "-l", "up"), [["up"], ["ssh", "ls", "-l", "up"]]);
    assert.deepEqual(split("help", "up"), [["help", "up"]]);
  });

  it("include operands, followed by the next verb", () => {
    assert.deepEqual(split("export", "images:a.yaml", "up"), [["export", "images:a.yaml"], ["up"]]);
  });

  it("mean help if there are none", () => {
    assert.deepEqual(split(), [["help"]]);
  });

  it("are refused if a verb is unknown, with the nearest one, or if a part is missing", () => {
    assert.throws(() => split("test"), /test: no such verb; did you mean tests\?/);
    assert.throws(() => split("up", "teests"), /teests after up: .*did you mean tests\?/);
    assert.throws(() => split("it:ec2"), /"ec2" is not KEY=VALUE/);
    assert.throws(() => split("cloud:", "up"), /a value is missing/);
    assert.throws(() => split("--cloud", "ec2"), /a verb is missing/);
  });
});
