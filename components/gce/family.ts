// The name of the image family that verified images join.
import { UserError } from "../../common/user-error.ts";

/**
 * Fills in the stack's template.
 * @param template `{stack}-{name}-{distribution}`, or false for no family.
 * @param where The stack's file, for messages.
 * @throws UserError if a placeholder is unknown, or the result isn't a valid name.
 */
export function familyName(
  template: string | false,
  values: Readonly<Record<"stack" | "name" | "distribution", string>>,
  where: string,
): string | undefined {
  if (template === false) return undefined;
  const key = "ci-images:gce.family";
  const filled = template.replaceAll(/\{([^}]*)\}/g, (placeholder, name: string) => {
    if (Object.hasOwn(values, name)) return values[name as keyof typeof values];
    const allowed = Object.keys(values).map((each) => `{${each}}`);
    throw new UserError({ where, key, found: placeholder, allowed: allowed.join(", ") });
  });
  // A stack's name may begin with a digit. Such image names get the same leading letter (common/labels.ts).
  const family = filled
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, "-")
    .replace(/^(?=[0-9])/, "i-");
  if (/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(family)) return family;
  const allowed = "a letter, then letters, digits and -; at most 63 characters, not ending with -";
  throw new UserError({ where, key, found: JSON.stringify(family), allowed });
}
