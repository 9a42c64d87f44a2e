// Reads the stack's state before anything is declared: its resources, and the plans of its images. If the state was
// lost, a cloud may have more images of the stack.
import * as pulumi from "@pulumi/pulumi";
import type { PlanDescription } from "../../provision/plan/explain.ts";
import { workerImageType } from "./worker-inputs.ts";

type Records = Record<string, { type: string; outputs?: Record<string, unknown> }>;

/** The stack's state after the last command, failed or not. */
export class StackState {
  private readonly outputs: Map<string, Record<string, unknown>>;
  private readonly names: Set<string>;
  /** The plans of images by recipe hash: the stack's output `plans` after the last successful `up`. */
  readonly plans: Readonly<Record<string, PlanDescription>>;

  /** The stack's output `images` after the last successful `up`. */
  private readonly images: Record<string, Record<string, unknown> | undefined>;

  /** What was declared for worker images, by type and logical name. */
  readonly belongings: readonly { type: string; name: string }[];

  /** @param records The engine's records, by URN. */
  constructor(records: Records = {}) {
    this.outputs = new Map(
      Object.entries(records).map(([urn, { type, outputs = {} }]) => [`${type} ${urn.split("::").at(-1)}`, outputs]),
    );
    this.names = new Set([...this.outputs.keys()].map((key) => key.slice(key.indexOf(" ") + 1)));
    this.belongings = Object.entries(records).flatMap(([urn, { type }]) =>
      urn.includes(`::${workerImageType}$`) ? [{ type, name: urn.split("::").at(-1)! }] : [],
    );
    const stack = Object.values(records).find(({ type }) => type === "pulumi:pulumi:Stack");
    this.plans = (stack?.outputs?.plans ?? {}) as Record<string, PlanDescription>;
    this.images = (stack?.outputs?.images ?? {}) as typeof this.images;
  }

  /** Whether the state has a resource of this type (`aws:ec2/amiFromInstance:AmiFromInstance`) and logical name. */
  has(type: string, name: string): boolean {
    return this.outputs.has(`${type} ${name}`);
  }

  /** Whether a resource of any type has this logical name. */
  hasName(name: string): boolean {
    return this.names.has(name);
  }

  /** The logical names of the resources of a type. */
  namesOf(type: string): string[] {
    const beginning = `${type} `;
    return [...this.outputs.keys()].flatMap((key) => (key.startsWith(beginning) ? key.slice(beginning.length) : []));
  }

  /**
   * The places of the resources that fit, by logical name and type.
   * @param property The output that names the place.
   */
  placesOf(
    fits: (name: string, type: string) => boolean,
    property: "region" | "project" = "region",
  ): ReadonlySet<unknown> {
    const fitting = [...this.outputs].filter(([key]) => {
      const end = key.indexOf(" ");
      return fits(key.slice(end + 1), key.slice(0, end));
    });
    return new Set(fitting.flatMap(([, { [property]: place }]) => place ?? []));
  }

  /**
   * The images in the stack's outputs after the last successful `up`, by their keys.
   * @param outputName The cloud's name there.
   * @param place Undefined if the cloud has only one.
   */
  publishedIn(outputName: string, place: string | undefined): Readonly<Record<string, { recipe: string }>> {
    const places = this.images[outputName] ?? {};
    return ((place === undefined ? places : places[place]) ?? {}) as Record<string, { recipe: string }>;
  }

  /** The outputs of a resource; undefined if the state doesn't have it. */
  outputsOf(type: string, name: string): Readonly<Record<string, unknown>> | undefined {
    return this.outputs.get(`${type} ${name}`);
  }
}

/**
 * Reads the state of the current stack. Calls the function behind StackReference, which returns all resources; a
 * StackReference would return only the outputs, and be recorded in the state.
 * https://github.com/pulumi/pulumi/blob/v3.230.0/pkg/resource/deploy/builtins.go
 */
export async function readState(): Promise<StackState> {
  const stackName = `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`;
  const token = "pulumi:pulumi:readStackResourceOutputs";
  const answer = (await pulumi.runtime.invoke(token, { stackName })) as { outputs?: Records };
  return new StackState(answer.outputs);
}
