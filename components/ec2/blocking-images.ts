// Handles AMIs that block a new one, because AWS failed to make them, or somebody disabled or deregistered them. The
// official resources would keep them in the state forever. A new name makes the engine replace them, and deregister what
// the state has of them; failed ones are removed first.
import type * as pulumi from "@pulumi/pulumi";
import { imageNameOf } from "./facts/image-names.ts";
import type { UselessImage } from "./facts/blocking-image.ts";
import type { ImageIdentity } from "../cloud.ts";
import { FailedImages } from "./resources.ts";

/** The blocking AMIs of a stack. */
export class UselessImages {
  private readonly byDistribution = new Map<string, readonly UselessImage[]>();

  /** @param isInState Whether the state has an AMI, by its id. */
  constructor(private readonly isInState: (id: string) => boolean) {}

  /** Records the survey's result. @returns notices for the user, one line each. */
  note(distribution: string, found: readonly UselessImage[]): string[] {
    this.byDistribution.set(distribution, found);
    return found.map((image) => `image ${image.id} in ${image.region} is ${image.reason}: ${this.fateOf(image)}`);
  }

  private fateOf({ id, region, kind }: UselessImage): string {
    if (kind === "failed") return "it will be removed, and baked again if the recipe still needs it";
    if (!this.isInState(id)) return "it will not be used";
    // retainOnDelete can't save it: the engine goes by the option in the state, and an image that is no longer declared gets
    // no new one.
    const fate = "it will be deregistered with its snapshots, and replaced if the recipe still needs it";
    if (kind === "orphaned") return fate;
    return `${fate}; to keep it, first run \`aws ec2 enable-image --region ${region} --image-id ${id}\``;
  }

  /** Declares the removal of the failed ones. @returns what a new image must wait for. */
  declareEnd(identity: ImageIdentity, region: string, name: string): pulumi.Resource[] {
    const failed = this.of(identity, region).filter(({ kind }) => kind === "failed");
    if (failed.length === 0) return [];
    const images = failed.map(({ id }) => id).sort();
    return [new FailedImages(`${name}-failed-images`, { region, images }, { parent: identity.parent })];
  }

  /**
   * A name for a new image.
   * @param wanted The name of the first attempt; later ones end with `-2` and so on.
   * @param taken Another name that is taken.
   */
  freeName(identity: ImageIdentity, region: string, wanted: string, taken?: string): string {
    const names = new Set([...this.of(identity, region).map(({ name }) => name), taken]);
    for (let attempt = 1; ; attempt++) {
      const name = imageNameOf(wanted, attempt);
      if (!names.has(name)) return name;
    }
  }

  private of({ distribution, recipe }: ImageIdentity, region: string): readonly UselessImage[] {
    const found = this.byDistribution.get(distribution.id) ?? [];
    return found.filter((each) => each.recipe === recipe && each.region === region);
  }
}
