// What a program declares, with Pulumi's own mocks: resources in their order, with inputs and options, and what was asked.
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import type { Cloud, Distributed } from "../../components/cloud.ts";
import type { Settings } from "../../components/stack-settings.ts";
import { StackState } from "../../components/life-cycle/stack-state.ts";
import { WorkerImage } from "../../components/life-cycle/worker-image.ts";
import type { Plan } from "../../provision/plan/plan.ts";

/** A resource that was declared. */
export interface Declared {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  options: pulumi.CustomResourceOptions;
}

/** Outputs of a resource that its inputs do not tell. */
export type Outputs = (type: string, name: string) => object;

/** One run of a program. */
export class Graph {
  readonly declared: Declared[] = [];
  /** What functions were asked, the last time each. */
  readonly asked: Record<string, Record<string, unknown>> = {};

  /** Inputs of providers, by their names. */
  readonly providers: Record<string, Record<string, unknown>> = {};

  /**
   * @param stack The stack's name.
   * @param answers What functions answer, by token.
   * @param outputs `id` among them is the resource's id; without one it is the name and `-id`.
   */
  constructor(
    stack: string,
    readonly answers: Record<string, object>,
    outputs: Outputs,
  ) {
    void pulumi.runtime.setMocks(
      {
        call: ({ token, inputs }) => {
          this.asked[token] = inputs as Record<string, unknown>;
          return this.answers[token] ?? assert.fail(`nobody answers ${token}`);
        },
        newResource: ({ type, name, inputs }) => {
          const found = this.declared.find((each) => each.type === type && each.name === name);
          if (found) found.inputs = inputs as Record<string, unknown>;
          if (type.startsWith("pulumi:providers:")) this.providers[name] = inputs as Record<string, unknown>;
          const { id = `${name}-id`, ...others } = outputs(type, name) as { id?: string };
          return { id, state: { ...(inputs as object), ...others } };
        },
      },
      "ci-images",
      stack,
      false,
    );
  }

  /** Declares the worker image of a plan and waits until everything is. @returns the output of the cloud's own place, if any. */
  async declare(open: () => Promise<Cloud>, settings: Settings, plan: Plan, keep = 1): Promise<unknown> {
    const note: pulumi.ResourceTransformation = ({ type, name, opts }) => {
      this.declared.push({ type, name, inputs: {}, options: opts });
      return undefined;
    };
    const cloud = await open();
    const survey = await cloud.survey(plan.distribution);
    const newest = survey.generations.find(({ proven }) => proven);
    const pinned = settings.base === "pinned" ? newest?.base : undefined;
    assert.ok(plan.base.kind !== "recipe", "that is for fleet.test.ts");
    const base = await cloud.resolveBase(plan.base, plan.distribution, pinned);
    const { verify, stage, power } = settings;
    assert.ok(stage !== "none", "that is for images that are there: kept-images.test.ts");
    const hash = plan.recipeHash(base.id);
    if (!survey.generations.some(({ recipe, proven }) => proven && recipe === hash)) {
      await cloud.preflight(plan, hash, stage);
    }
    const state = new StackState();
    const args = { cloud, plan, base, survey, keep, verify: verify.enabled, stage, power, state, secrets: {} };
    const worker = new WorkerImage(plan.distribution.id, args, { transformations: [note] });
    const image = worker.images[cloud.place!] as Distributed[string] | undefined;
    const output = image && (await new Promise((resolve) => image.apply(resolve)));
    // What nothing waits for is declared a little later; the SDK has this, and its types do not.
    await (pulumi.runtime as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs();
    return output;
  }

  /** Names of what was declared, in that order. */
  names(...types: string[]): string[] {
    return this.declared.filter(({ type }) => types.length === 0 || types.includes(type)).map(({ name }) => name);
  }

  get(name: string): Declared {
    return (
      this.declared.find((each) => each.name === name) ?? assert.fail(`${name} is not declared: ${this.names().join()}`)
    );
  }

  /** Names of what a resource depends on by option. */
  after(name: string): string[] {
    const { dependsOn } = this.get(name).options;
    return [dependsOn ?? []].flat().map((each) => nameOf(each as pulumi.Resource));
  }

  /** The name of the resource with which it goes. */
  goesWith(name: string): string | undefined {
    const { deletedWith } = this.get(name).options;
    return deletedWith && nameOf(deletedWith);
  }
}

function nameOf(resource: pulumi.Resource): string {
  return (resource as unknown as { __name: string }).__name;
}
