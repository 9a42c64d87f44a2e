// Image ids in a ci-platform file: only the ids change; everything else in the file is kept.
import assert from "node:assert/strict";
import { parse } from "yaml";
import { UserError } from "../../common/user-error.ts";
import { jenkinsClouds, showChange, withImageIds } from "../../cli/ci-platform.ts";

const file = `# the platform
jenkins:
    clouds:
        # written by hand
        images:
            aws:
                us-west-2:
                    centos7: ami-0001   # the old one
                    "ubuntu14.04": 'ami-0002'
    port: 8080 # not ours
other: [a,   b]
`;

describe("image ids in a ci-platform file", () => {
  it("replace the existing ones, and nothing else changes", () => {
    const after = withImageIds("x.yaml", file, { aws: { "us-west-2": { centos7: "ami-9", "ubuntu14.04": "ami-8" } } });
    assert.equal(after, file.replace("ami-0001", "ami-9").replace("'ami-0002'", "ami-8"));
    assert.equal(withImageIds("x.yaml", after, { aws: { "us-west-2": { centos7: "ami-9" } } }), after);
  });

  it("are added if there is no key yet, and all comments and other keys are kept", () => {
    const ids = {
      aws: { "us-west-2": { debian12: "ami-1" }, "eu-west-1": { debian12: "ami-2" } },
      rackspace: { DFW: { debian12: "f00" } },
    };
    const after = withImageIds("x.yaml", file, ids);
    for (const comment of file.match(/#.*/g)!) assert.ok(after.includes(comment), comment);
    const images = (parse(after) as { jenkins: { clouds: { images: object } } }).jenkins.clouds.images;
    assert.deepEqual(images, {
      aws: {
        "us-west-2": { centos7: "ami-0001", "ubuntu14.04": "ami-0002", debian12: "ami-1" },
        "eu-west-1": { debian12: "ami-2" },
      },
      rackspace: { DFW: { debian12: "f00" } },
    });
    assert.match(after, /^ {4}port: 8080 # not ours$/m);
  });

  it("create a file, or fill keys without a value", () => {
    const ids = { gce: { project: { debian12: "image" } } };
    assert.deepEqual(parse(withImageIds("x.yaml", "", ids)), { jenkins: { clouds: { images: ids } } });
    assert.deepEqual(parse(withImageIds("x.yaml", "jenkins:\n  clouds:\n", ids)), {
      jenkins: { clouds: { images: ids } },
    });
  });

  it("fill a prepared key, and replace text of any style", () => {
    const ids = { aws: { here: { debian12: "ami-9" } } };
    const around = (value: string, map = "") =>
      `jenkins:\n  clouds:\n    images:\n      aws:\n        here:${map || `\n          debian12:${value}\n          z: 1`}\nport: 8080 # ours\n`;
    for (const value of [
      "",
      " # later",
      " ~",
      " null # later",
      " >-\n            ami-1",
      " |\n            ami-1",
      ' "a\n            b"',
    ]) {
      const after = withImageIds("x.yaml", around(value), ids);
      const { jenkins } = parse(after) as { jenkins: { clouds: { images: object } } };
      assert.deepEqual(jenkins.clouds.images, { aws: { here: { debian12: "ami-9", z: 1 } } }, after);
      assert.match(after, /^port: 8080 # ours$/m);
      assert.equal(after.includes("# later"), value.includes("# later"), after);
      assert.equal(withImageIds("x.yaml", after, ids), after);
    }
    const disk = { aws: { here: { debian12: "/images/a, b" } } };
    for (const map of [" { debian12: x, z: 1 }", " { debian12, z: 1 }"]) {
      const { jenkins } = parse(withImageIds("x.yaml", around("", map), disk)) as { jenkins: { clouds: object } };
      assert.deepEqual(jenkins.clouds, { images: { aws: { here: { debian12: "/images/a, b", z: 1 } } } });
    }
  });

  it("are written out where the file has an alias, and refused if another image would change with it", () => {
    const aliased =
      "jenkins: { clouds: { images: { aws: { here: { debian12: &a ami-1 }, there: { debian12: *a } } } } }\n";
    const ids = { aws: { here: { debian12: "ami-8" }, there: { debian12: "ami-9" } } };
    const { jenkins } = parse(withImageIds("x.yaml", aliased, ids)) as { jenkins: { clouds: { images: object } } };
    assert.deepEqual(jenkins.clouds.images, ids);
    const one = { aws: { here: { debian12: "ami-8" } } };
    assert.throws(() => withImageIds("x.yaml", aliased, one), /x\.yaml: jenkins\.clouds\.images: .*write each id out/);
  });

  it("are refused if something else is in their place, with the file, the key or the line", () => {
    const ids = { gce: { project: { debian12: "image" } } };
    const refused = (text: string, says: RegExp) =>
      assert.throws(
        () => withImageIds("x.yaml", text, ids),
        (error) => error instanceof UserError && says.test(error.message),
      );
    refused(
      "jenkins: [1]\n",
      /x\.yaml: jenkins: .*something other than a mapping.*jenkins\.clouds\.images\.gce\.project\.debian12/,
    );
    refused("a: b\n  c: [\n", /x\.yaml:\d+:\d+/);
    refused("- a\n", /not a mapping/);
  });

  it("are shown as a diff", () => {
    const patch = showChange("x.yaml", "a: 1\nb: 2\n", "a: 1\nb: 3\n");
    assert.match(patch, /^-b: 2$/m);
    assert.match(patch, /^\+b: 3$/m);
    assert.equal(showChange("x.yaml", "a", "a"), "");
  });
});

describe("a cloud block for Jenkins", () => {
  it("has a cloud for each place and a template for each image, with the login user of its distribution", () => {
    const ids = {
      aws: { "us-west-2": { debian12: "ami-1" } },
      gce: { p: { debian12: "i" } },
      rackspace: { DFW: { debian12: "f00" } },
      openstack: { here: { debian12: "f01" } },
    };
    const { jenkins } = parse(jenkinsClouds(ids, () => "debian")) as { jenkins: { clouds: Record<string, never>[] } };
    assert.deepEqual(
      jenkins.clouds.map((cloud) => Object.keys(cloud)[0]),
      ["amazonEC2", "computeEngine", "openstack", "openstack"],
    );
    assert.match(
      jenkinsClouds(ids, () => "debian"),
      /ami: ami-1[\s\S]*remoteAdmin: debian[\s\S]*bootDiskSourceImageName: i[\s\S]*name: f00/,
    );
  });
});
