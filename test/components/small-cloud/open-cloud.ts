// The small cloud's program side. It uses local machines and only adds a place of its own.
import type * as pulumi from "@pulumi/pulumi";
import type { DeclaredImage, Distributed, ImageIdentity } from "../../../components/cloud.ts";
import { LocalCloud } from "../../../components/local/cloud.ts";
import type { Opening } from "../../../components/open-clouds.ts";
import type { Settings } from "../../../components/stack-settings.ts";
import type { PaperSettings } from "./facts.ts";

type PaperStack = Settings & { paper: PaperSettings };

class PaperCloud extends LocalCloud {
  override readonly name = "paper";
  override readonly outputName = "paper";

  constructor(
    settings: Settings,
    projectDirectory: string,
    readonly place: string,
  ) {
    super(settings, projectDirectory);
  }

  override declareDistribution(identity: ImageIdentity, image: DeclaredImage, after: pulumi.Resource[]): Distributed {
    const [output] = Object.values(super.declareDistribution(identity, image, after));
    return { [this.place]: output.apply((each) => ({ ...each, id: `sheet ${each.path}` })) };
  }
}

export const open: Opening<PaperStack> = async (settings, projectDirectory) => [
  new PaperCloud(settings, projectDirectory, settings.paper.desk),
];
