// What modules share that put systemd units of their own into an image.
import { UserError } from "../../../common/user-error.ts";
import type { Root } from "../../module.ts";

/**
 * Lies on the builder while it is one: a unit with `ConditionPathExists=!` and this path runs on workers only, also after a
 * reboot in the middle of a long bake. Sealing removes the folder it is in. {@link markBuilder} makes it.
 */
export const builderMark = "/var/lib/ci-images/builder";

/** A script that makes {@link builderMark}. May run twice. */
export const markBuilder = `install -D -m 0644 /dev/null ${builderMark}`;

/**
 * Stops the build of a module that needs systemd on a distribution that starts services by something else.
 * @param name The module's name in the recipe.
 * @throws UserError on a distribution without systemd.
 */
export function requireSystemd(name: string, root: Root): void {
  if (root.distribution.init)
    throw new UserError({
      where: `module ${name}`,
      found: `${root.distribution.id} starts services by ${root.distribution.init}`,
      allowed: "distributions with systemd",
    });
}

/**
 * Records a unit: its file, and that systemd knows of it. Whether it is enabled is the module's affair.
 * @param unit Its name, `ci-swap.service`.
 * @param content The unit file's whole text.
 */
export function putUnit(root: Root, unit: string, content: string): void {
  root.file(`/etc/systemd/system/${unit}`, content);
  root.run("systemctl daemon-reload");
}
