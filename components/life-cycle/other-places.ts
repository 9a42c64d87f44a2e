// Refuses a region or project that only the environment names if the state's images are in another one. With somebody
// else's credentials the program would find no images there and declare none, and the engine would delete those that
// the state has.
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../../common/user-error.ts";

/** A place that the stack's settings don't name. */
export interface UnnamedPlace {
  /** The setting that would name it: `ci-images:ec2.region`. */
  key: string;
  /** The place: `us-west-2`. */
  place: string;
  /** Where it comes from, in words with a verb: `the credentials name`. */
  source: string;
  /** What the user corrects there: `the credentials' region (OS_REGION_NAME, clouds.yaml)`. */
  set: string;
  /** Writes places as the setting has them; by default, their names, of which it takes one. */
  write?: (places: readonly string[]) => string;
  /** Whether the images may be baked in this place from now on; default true. */
  mayMove?: boolean;
}

/**
 * Compares a place from the environment with those of the state's images. A builder alone is not in the way: it was
 * begun in the wrong place, and is ended.
 * @param known The places of the images in the state.
 * @throws UserError if there are images, and none in this place.
 */
export function refuseOtherPlaces(
  { key, place, source, set, write = (places) => places.join(" or "), mayMove = true }: UnnamedPlace,
  known: ReadonlySet<unknown>,
): void {
  if (known.size === 0 || known.has(place)) return;
  const others = [...known].map(String).sort();
  throw new UserError({
    where: `Pulumi.${pulumi.getStack()}.yaml`,
    key,
    found:
      `not set, and ${source} ${place}, but the stack's images are in ${others.join(", ")}, ` +
      "which would be deleted",
    cure:
      `set it to ${write(others)}, or correct ${set}` +
      (mayMove ? `; to bake in ${place} and delete the others, set it to ${write([place])}` : ""),
  });
}
