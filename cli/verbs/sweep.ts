// `sweep`: removes expired leftovers of this stack's bakes that no state knows.
import { resolve } from "node:path";
import type { FunctionType } from "../../provider/resource.ts";
import type { Verb } from "../verb.ts";

/** A leftover, as a cloud's sweep function (`ci-images:<plugin>:sweep` of our provider) reports it. */
interface Leftover {
  kind: string;
  /** Its id or name in the cloud. */
  id?: string;
  name?: string;
  /** What it is, for people. */
  description?: string;
  /** When it expired, ISO 8601. */
  expired?: string;
  /** Why it is a leftover, if not by its expiry. */
  reason?: string;
  /** Its region, on clouds with regions. */
  region?: string;
  /** Its project, on clouds with projects. */
  place?: string;
  /** Why it could not be removed. */
  problem?: string;
}

export const sweep: Verb = {
  name: "sweep",
  summary: "lists this stack's expired leftovers, found by their tags; removes them only with --remove",
  options: [{ flags: "--remove", what: "remove them" }],
  examples: ["sweep", "sweep --remove"],
  async run({ session, options, output }) {
    const stack = await session.stack({ stack: options.stack, cloud: options.cloud });
    const { name: cloud, plugin, placesToLookIn } = stack.facts;
    const [{ functions }, { parseDuration }] = await Promise.all([
      import("../../provider/registry.ts"),
      import("../../common/sizes.ts"),
    ]);
    const context = { progress: (line: string) => output.note(line), signal: session.interrupted };
    const ask = <T>(name: string, inputs: object) => {
      const called = (functions as readonly FunctionType<object, object>[]).find(
        ({ token }) => token === `ci-images:${plugin}:${name}`,
      );
      if (!called) throw new Error(`our provider has no function ci-images:${plugin}:${name}`);
      return called.call(inputs, context) as Promise<T>;
    };
    const lifetime = parseDuration(stack.settings.text("maxLifetime", "4 hours"));
    const own = (stack.settings.get(cloud) ?? {}) as Record<string, unknown>;
    const directory = stack.settings.text("imageDirectory", "images");
    const inputs = {
      ...(await placesToLookIn(own, ask)),
      ...{ project: stack.project, stack: stack.name, lifetime, remove: options.remove === true },
      home: resolve(session.projectDirectory, directory),
    };
    const { leftovers } = await ask<{ leftovers: Leftover[] }>("sweep", inputs);
    for (const leftover of leftovers) {
      const {
        kind,
        id,
        name = id,
        description,
        expired,
        reason = description,
        region,
        place = region,
        problem,
      } = leftover;
      const why = expired === undefined ? reason : `should have ended at ${expired}`;
      const done = problem ? `NOT removed: ${problem}` : options.remove ? "removed" : "would be removed";
      output.result([place, kind, name].filter(Boolean).join(" ") + `: ${why}; ${done}`);
    }
    if (leftovers.length === 0) output.result("nothing is left over");
    else if (!options.remove) output.note("nothing was removed; to remove them: `./ci-images sweep --remove`");
    return leftovers.some(({ problem }) => problem !== undefined) ? 1 : 0;
  },
};
