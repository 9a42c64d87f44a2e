// A throw-away stack on a test cloud or on this computer, and what the tests of every stack ask of it.
import { makePlace, type Run } from "../../cli/temporary-stack.ts";
import { TestStack } from "./test-stack.ts";

/** What a stack bakes on, as the tests of every stack see it. */
export interface Account {
  /** The stack's name in the setting `ci-images:cloud`. */
  cloud: string;
  /** Where the outputs have its images: `aws`, `eu-central-1`. */
  outputs: readonly string[];
  /** The settings that the stack needs. */
  settings: Record<string, unknown>;
  /** The environment of whoever uses the cloud. */
  variables: Record<string, string>;
  /** Types of resources that stay when the builder's records have been dropped. */
  lasting: RegExp;
  /** Ids of images of ours, finished or not. */
  images(): Promise<string[]>;
  /** Ids of machines. */
  machines(): Promise<string[]>;
  /** Shuts the only machine down, as somebody does at the cloud's console. */
  stopMachine(): Promise<void>;
  /** Takes the only machine away, as somebody does who deletes it by hand. */
  loseMachine(): Promise<void>;
  /** Takes the base image away. @returns what the error must name: others with a similar name, where there are any. */
  loseBase(): Promise<string[] | void>;
  /** What is there that was not there in the beginning, beside these images. */
  leftovers(images?: readonly string[]): Promise<string[]>;
  close(): Promise<void>;
}

/** A test cloud, as the tests of its stack see it. */
export interface Subject extends Account {
  /** True where the builder is ended before the image is made of its disk. */
  retiresFirst?: boolean;
  deleteImage(id: string): Promise<void>;
  /** The next image ends in an error. */
  failNextImage(): void;
  /** The API refuses to end a machine, once. */
  refuseNextRetirement(): void;
}

/** What the outputs say of an image. */
export interface ImageOutput {
  /** On this computer, the disk's path. */
  id: string;
  recipe: string;
  name: string;
}

/** A stack on a test cloud or on this computer. */
export class CloudStack extends TestStack {
  private subject!: Account;

  /** Makes one; images are verified, as users have it. @param name Its name, where it is not to be one of its own. */
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

  /** The image that the outputs name for Debian 12; undefined while they name none. */
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

  /** Forgets everything that the state knows, and starts the stack anew. */
  async loseState(): Promise<void> {
    await this.succeed("stack", "rm", "--yes", "--force", "--preserve-config");
    await this.succeed("stack", "init", this.name);
    await this.settings({});
  }

  /** Runs `up`, which may fail, and does something once when its output says so. */
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

  /**
   * Runs `up` and kills pulumi.
   * @param begins When: when its output says so, or when somebody calls what is handed out here.
   * @returns whether that happened.
   */
  async killedAt(begins: RegExp | ((kill: () => void) => void)): Promise<boolean> {
    const running = this.start("up", "--yes", "--skip-preview");
    const kill = () => void running.kill("SIGKILL");
    let output = "";
    if (begins instanceof RegExp) {
      running.all.on("data", (data: Buffer) => {
        output += data.toString();
        if (begins.test(output)) kill();
      });
    } else {
      begins(kill);
    }
    const { signal } = await running;
    await this.succeed("cancel", "--yes");
    return signal === "SIGKILL";
  }
}
