// A throw-away stack on a test cloud or on this computer, with the helpers that tests of every stack share.
import { makePlace, type Run } from "../../cli/temporary-stack.ts";
import { TestStack } from "./test-stack.ts";

/** A test cloud or this computer, behind the interface that the tests of every stack use. */
export interface Account {
  /** The stack's name in the setting `ci-images:cloud`. */
  cloud: string;
  /** The path to its images in the outputs: `aws`, `eu-central-1`. */
  outputs: readonly string[];
  /** The settings that the stack needs. */
  settings: Record<string, unknown>;
  /** Environment variables for the cloud's users. */
  variables: Record<string, string>;
  /** Types of resources that stay in the state after the builder's records are dropped. */
  lasting: RegExp;
  /** Ids of all images that ci-images made, finished or not. */
  images(): Promise<string[]>;
  /** Ids of machines. */
  machines(): Promise<string[]>;
  /** Shuts down the only machine, as from the cloud's web console. */
  stopMachine(): Promise<void>;
  /** Deletes the only machine behind Pulumi's back. */
  loseMachine(): Promise<void>;
  /** Deletes the base image. @returns names that the error must contain, such as similar images, if there are any. */
  loseBase(): Promise<string[] | void>;
  /** What has been added since the account was opened, except these images. */
  leftovers(images?: readonly string[]): Promise<string[]>;
  close(): Promise<void>;
}

/** A test cloud, with the controls that its tests need. */
export interface Subject extends Account {
  /** True if the builder is deleted before the image is made from its disk. */
  retiresFirst?: boolean;
  deleteImage(id: string): Promise<void>;
  /** Makes the next image end in an error. */
  failNextImage(): void;
  /** Makes the API refuse the next deletion of a machine. */
  refuseNextRetirement(): void;
}

/** An image in the stack's outputs. */
export interface ImageOutput {
  /** On stack `local`, the disk's path. */
  id: string;
  recipe: string;
  name: string;
}

/** A stack on a test cloud or on this computer. */
export class CloudStack extends TestStack {
  private subject!: Account;

  /** Creates a stack that verifies its images, as users' stacks do. @param name Its name; unique by default. */
  static async on(
    subject: Account,
    recipe: object,
    settings: Record<string, unknown> = {},
    name?: string,
  ): Promise<CloudStack> {
    const polling = { CI_IMAGES_POLL_SECONDS: "0.3" };
    const stack = new CloudStack(await makePlace({ ...subject.variables, ...polling }, name));
    stack.subject = subject;
    return await stack.begin(recipe, settings);
  }

  override settings(settings: Record<string, unknown>): Promise<void> {
    const { cloud, settings: own } = this.subject;
    return super.settings({ cloud, verify: true, keep: 0, sshFrom: ["127.0.0.0/8"], ...own, ...settings });
  }

  /** The Debian 12 image in the outputs, if there is one. */
  async image(): Promise<ImageOutput | undefined> {
    type Tree = { [name: string]: Tree | undefined } | undefined;
    const { images } = (await this.outputs()) as { images?: Tree };
    const found = [...this.subject.outputs, "debian12"].reduce((tree: Tree, name) => tree?.[name], images);
    const image = found as unknown as (ImageOutput & { disk?: string }) | undefined;
    return image && { ...image, id: image.id ?? image.disk };
  }

  override async bakeRecords(): Promise<string[]> {
    const kept = /^(pulumi:|ci-images:index:WorkerImage$)/;
    const types = (await this.resources()).map(({ type, urn }) => ({ type, urn }));
    return types.filter(({ type }) => !kept.test(type) && !this.subject.lasting.test(type)).map(({ urn }) => urn);
  }

  /** Deletes the state and creates the stack again, with no resources. */
  async loseState(): Promise<void> {
    await this.succeed("stack", "rm", "--yes", "--force", "--preserve-config");
    await this.succeed("stack", "init", this.name);
    await this.settings({});
  }

  /** Runs `up`, which may fail, and calls `act` once when the output matches `begins`. */
  async upWhile(begins: RegExp, act: () => Promise<void>): Promise<Pick<Run, "output" | "exitCode">> {
    const running = this.start("up", "--yes", "--skip-preview");
    let acting: Promise<void> | undefined;
    let output = "";
    running.all.on("data", (data: Buffer) => {
      output += data.toString();
      if (begins.test(output)) acting ??= act();
    });
    const { exitCode } = await running;
    if (acting === undefined) throw new Error(`pulumi up never said ${begins}:\n${output}`);
    await acting;
    return { output, exitCode: exitCode ?? -1 };
  }
}
