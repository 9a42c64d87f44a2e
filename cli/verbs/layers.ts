// `layers`: lists or removes the builder layers in this computer's cache.
import type { Verb } from "../verb.ts";

export const layers: Verb = {
  name: "layers",
  summary: "lists the cached layers, with which bakes on local skip unchanged modules; --remove removes them",
  options: [
    { flags: "--remove", what: "remove all of them" },
    { flags: "--json", what: "print JSON, and nothing else on standard output" },
  ],
  examples: ["layers", "layers --remove"],
  async run({ options, session, output }) {
    const { layersFunction } = await import("../../components/local/provider/functions/layers.ts");
    const remove = options.remove === true;
    const context = { progress: (line: string) => output.note(line), signal: session.interrupted };
    const found = await layersFunction.call({ remove }, context);
    if (options.json) return output.result(JSON.stringify(found, undefined, 2));
    for (const { key, base, modules, own, bytes, usedAt } of found.layers) {
      const size = own === bytes ? mebibytes(bytes) : `${mebibytes(bytes)}, of which ${mebibytes(own)} not shared`;
      const done = remove ? "; removed" : "";
      output.result(`${key.slice(0, 8)} ${base}: ${modules.join(", ")}: ${size}, used ${usedAt}${done}`);
    }
    const sum = found.layers.reduce((total, { own }) => total + own, 0);
    if (found.layers.length === 0) output.result(`no layers in ${found.folder}`);
    else if (!remove)
      output.result(`${mebibytes(sum)} of ${mebibytes(found.limit)} (CI_IMAGES_LAYERS) in ${found.folder}`);
  },
};

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
