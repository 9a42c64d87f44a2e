// Applies the user's own changes to resources: a file whose default export maps resource types to functions that change
// the arguments. This gives access to all features of a cloud's resources for which there is no setting.
import { access } from "node:fs/promises";
import { resolve } from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { importFile } from "../../common/import-file.mjs";
import { UserError } from "../../common/user-error.ts";

/**
 * Changes a resource's arguments.
 * @param args Our own arguments.
 * @param resource The resource's logical name and type.
 * @returns the arguments to declare: the same object with changes, or a new one.
 */
export type Transform = (args: Record<string, unknown>, resource: { name: string; type: string }) => object;

/** The file's default export: `{ "aws:ec2/instance:Instance": (args) => ({ ...args, monitoring: true }) }`. */
export type Transforms = Readonly<Record<string, Transform>>;

/**
 * Loads the file that the stack setting `transforms` names.
 * @param path Relative to `projectDirectory`; undefined when the stack has none.
 * @throws UserError when there is no such file, or its default export is not a map of types to functions.
 */
export async function loadTransforms(path: string | undefined, projectDirectory: string): Promise<Transforms> {
  if (path === undefined) return {};
  const file = resolve(projectDirectory, path);
  const where = `${path} (stack setting ci-images:transforms)`;
  try {
    await access(file);
  } catch (error) {
    throw new UserError({ where, found: `cannot be read (${(error as NodeJS.ErrnoException).code})` });
  }
  const { default: exported } = await importFile(file);
  const allowed = 'a default export such as { "aws:ec2/instance:Instance": (args) => ({ ...args, monitoring: true }) }';
  if (exported === null || typeof exported !== "object") {
    throw new UserError({ where, found: "no object is exported as default", allowed });
  }
  for (const [type, transform] of Object.entries(exported)) {
    if (!/^[^:]+:[^:]*:[^:]+$/.test(type))
      throw new UserError({ where, key: type, found: "no resource type", allowed });
    if (typeof transform !== "function") throw new UserError({ where, key: type, found: "no function", allowed });
  }
  return exported as Transforms;
}

/**
 * Makes the transformation for a component: the user's functions change everything below it. Throws a UserError if one
 * of them returns no object.
 */
export function transformation(transforms: Transforms): pulumi.ResourceTransformation {
  return ({ type, name, props, opts }) => {
    const transform = Object.hasOwn(transforms, type) ? transforms[type] : undefined;
    if (!transform) return undefined;
    const changed: unknown = transform(props, { name, type });
    if (changed === null || typeof changed !== "object" || changed instanceof Promise) {
      const where = "stack setting ci-images:transforms";
      throw new UserError({ where, key: type, found: "the function returned no object", allowed: "the arguments" });
    }
    return { props: changed, opts };
  };
}
