// `sweep`: what bakes of this stack left behind and no state knows of, past its expiry.
import { resolve } from "node:path";
import { UserError } from "../../common/user-error.ts";
import type { FunctionType } from "../../provider/resource.ts";
import type { Verb } from "../verb.ts";

/** What a cloud's sweep function (`ci-images:<cloud>:sweep` of our provider) tells of one leftover. */
interface Leftover {
  kind: string;
  name: string;
  /** When it should have ended, ISO 8601. */
  expired?: string;
  /** Why it is one, where that is not its expiry. */
  reason?: string;
  /** Where it is, on clouds with regions. */
  region?: string;
  /** Why it could not be removed. */
  problem?: string;
}

type SweepFunction = FunctionType<object, { leftovers: Leftover[] }>;

export const sweep: Verb = {
  name: "sweep",
  summary: "leftovers of this stack past their expiry, found by our tags; only lists them unless told to remove them",
  options: [{ flags: "--remove", what: "remove them" }],
  examples: ["sweep", "sweep --remove"],
  async run({ session, options, output }) {
    const stack = await session.stack({ stack: options.stack, cloud: options.cloud });
    const cloud = stack.settings.text("cloud", "local");
    const [{ functions }, { parseDuration }] = await Promise.all([
      import("../../provider/registry.ts"),
      import("../../provision/sizes.ts"),
    ]);
    const found = (functions as readonly SweepFunction[]).find(({ token }) => token === `ci-images:${cloud}:sweep`);
    if (!found) throw new UserError({ where: "sweep", found: `the cloud ${cloud} has none yet` });
    const lifetime = parseDuration(stack.settings.text("maxLifetime", "4 hours"));
    const own = (stack.settings.get(cloud) ?? {}) as Record<string, unknown>;
    const directory = stack.settings.text("imageDirectory", "images");
    const inputs = {
      ...own,
      ...{ project: stack.project, stack: stack.name, lifetime, remove: options.remove === true },
      home: resolve(session.projectDirectory, directory),
    };
    const context = { progress: (line: string) => output.note(line), signal: session.interrupted };
    const { leftovers } = await found.call(inputs, context);
    for (const { kind, name, expired, reason, region, problem } of leftovers) {
      const why = reason ?? `should have ended at ${expired}`;
      const done = problem ? `NOT removed: ${problem}` : options.remove ? "removed" : "would be removed";
      output.result([region, kind, name].filter(Boolean).join(" ") + `: ${why}; ${done}`);
    }
    if (leftovers.length === 0) output.result("nothing is left over");
    else if (!options.remove) output.note("nothing was removed: say `ci-images sweep --remove`");
    return leftovers.some(({ problem }) => problem !== undefined) ? 1 : 0;
  },
};
