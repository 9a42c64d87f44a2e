// Shared by modules that add their own systemd units to an image.
import { UserError } from "../../../common/user-error.ts";
import type { Root } from "../../module.ts";

/**
 * Exists only on the builder: a unit with `ConditionPathExists=!` and this path runs only on workers, even after a
 * reboot during a long bake. The step before the first module creates it, and sealing removes its parent folder.
 */
export const builderMark = "/var/lib/ci-images/builder";

/**
 * A script that creates {@link builderMark}. May run twice. Modules whose units need it run it, too: it is part of their
 * recorded scripts, which would get another hash without it.
 */
export const markBuilder = `install -D -m 0644 /dev/null ${builderMark}`;

/**
 * Refuses a module that needs systemd on a distribution with another init system.
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
 * Records a unit: writes its file and makes systemd load it. The module decides whether to enable it.
 * @param unit Its name, `ci-swap.service`.
 * @param content The unit file's whole text.
 */
export function putUnit(root: Root, unit: string, content: string): void {
  root.file(`/etc/systemd/system/${unit}`, content);
  root.run("systemctl daemon-reload");
}
