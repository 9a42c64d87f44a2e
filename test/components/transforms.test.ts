// The user's transforms: loading them, and what they may return.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { loadTransforms, transformation } from "../../components/life-cycle/transforms.ts";

describe("the stack setting `transforms`", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ci-images-transforms-"));
  });
  after(() => rm(folder, { recursive: true }));

  const load = async (name: string, content: string) => {
    await writeFile(join(folder, name), content);
    return loadTransforms(name, folder);
  };
  const apply = (transforms: Parameters<typeof transformation>[0], type: string) =>
    transformation(transforms)({
      type,
      name: "a",
      props: { size: 1 },
      opts: {},
    } as unknown as pulumi.ResourceTransformationArgs);

  it("changes the arguments of the types that it names, and of no others", async () => {
    const transforms = await load("good.mjs", 'export default { "a:b:C": (args, { name }) => ({ ...args, name }) };');
    assert.deepEqual(apply(transforms, "a:b:C"), { props: { size: 1, name: "a" }, opts: {} });
    assert.equal(apply(transforms, "a:b:D"), undefined);
  });

  it("is refused if its file is missing or exports something else", async () => {
    await assert.rejects(
      loadTransforms("gone.mjs", folder),
      /gone\.mjs \(stack setting .*\): cannot be read \(ENOENT\)/,
    );
    await assert.rejects(load("none.mjs", "export const x = 1;"), /no object is exported as default/);
    await assert.rejects(load("type.mjs", "export default { Instance: () => ({}) };"), /Instance: no resource type/);
    await assert.rejects(load("value.mjs", 'export default { "a:b:C": 1 };'), /a:b:C: no function/);
  });

  it("is refused if a function returns nothing", async () => {
    const transforms = await load("nothing.mjs", 'export default { "a:b:C": () => {} };');
    assert.throws(() => apply(transforms, "a:b:C"), /a:b:C: the function returned no object/);
  });
});
