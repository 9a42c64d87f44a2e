// `sweep`: lists or removes leftovers of this stack's bakes that are in no state and past their deadline.
import { resolve } from "node:path";
import { shortName } from "../../toolchain/stack-name.mjs";
import type { Verb } from "../verb.ts";

export const sweep: Verb = {
  name: "sweep",
  summary: "lists this stack's expired leftovers, found by their tags; removes them only with --remove",
  options: [{ flags: "--remove", what: "remove them" }],
  examples: ["sweep", "sweep --remove"],
  async run({ session, options, output }) {
    const stack = await session.stack({ stack: options.stack, cloud: options.cloud });
    const { facts, project, name } = stack;
    const [{ calling }, { parseDuration }] = await Promise.all([
      import("../../provider/call.ts"),
      import("../../common/sizes.ts"),
    ]);
    const call = calling({ progress: (line) => output.note(line), signal: session.interrupted });
    const own = (stack.settings.get(facts.name) ?? {}) as Record<string, unknown>;
    const asked = {
      ...{ project, stack: shortName(name), remove: options.remove === true },
      lifetime: parseDuration(stack.settings.text("maxLifetime", "4 hours"))!,
      home: resolve(session.projectDirectory, stack.settings.text("imageDirectory", "images")),
    };
    const leftovers = await facts.sweep(own, asked, call);
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
