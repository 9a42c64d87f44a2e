// `export`: writes the image ids into ci-platform's YAML, or prints them as a Jenkins cloud.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cloudNames, clouds } from "../../components/clouds.ts";
import { UserError } from "../../common/user-error.ts";
import { distributions, findDistribution } from "../../provision/distributions.ts";
import type { Distribution } from "../../provision/module.ts";
import type { ImageIds } from "../ci-platform.ts";
import { recipeOption } from "../recipe-choice.ts";
import { chosenWorkers } from "../worker-choice.ts";
import type { OutputImage } from "../exported-state.ts";
import { UsageError, type Verb } from "../verb.ts";

export const exportVerb: Verb = {
  name: "export",
  summary: "writes the image ids into a ci-platform YAML file, under jenkins.clouds.images, and shows the change",
  details: `The file's comments and other keys are kept. An image on this computer is listed under local.localhost, with the
path of its disk, or of its folder if it has only a tar.`,
  operands: [{ name: "[file]", what: "the YAML file; it is created if missing" }],
  options: [
    recipeOption,
    { flags: "--jcasc", what: "print a Jenkins Configuration-as-Code cloud block instead" },
    { flags: "--dry-run", what: "only show what would change" },
  ],
  examples: ["export ../segredos/ci-platform/all.yaml", "export --dry-run all.yaml", "export --jcasc"],
  async run({ operands: [file], options, session, output }) {
    if (file === undefined && !options.jcasc) throw new UsageError("export: name a file, or pass --jcasc");
    const stack = await session.stack({ ...options, keepSettings: true });
    const state = await stack.state();
    const isMeant = chosenWorkers(state, options, stack.name);
    const images = state.images.filter((image) => isMeant(state.workerOf(image)));
    if (images.length === 0) {
      throw new UserError({
        where: `stack ${stack.name}`,
        found: "no image yet",
        cure: "./ci-images it makes one",
      });
    }
    const ids = imageIds(images);
    const { jenkinsClouds, showChange, withImageIds } = await import("../ci-platform.ts");
    if (options.jcasc) {
      const { name, jenkinsCloud } = stack.facts;
      if (!jenkinsCloud) {
        const found = `a stack of ${name}, where Jenkins can't boot workers`;
        const allowed = `a stack of ${cloudNames(clouds.filter((each) => each.jenkinsCloud))}`;
        throw new UserError({ where: "--jcasc", found, allowed });
      }
      return output.result(jenkinsClouds(ids, (key) => distributionOfKey(key).loginUser).trimEnd());
    }
    const before = existsSync(file) ? readFileSync(file, "utf8") : "";
    const after = withImageIds(file, before, ids);
    if (before === after) return output.note(`${file} is up to date`);
    output.result(showChange(file, before, after).trimEnd());
    if (options.dryRun) return;
    writeFileSync(file, after);
    output.note(`wrote ${file}`);
  },
};

/** The distribution in an image's key in the outputs, such as `debian12` or `docker-debian12`. */
function distributionOfKey(key: string): Distribution {
  const fitting = distributions.filter(({ id }) => key.endsWith(`-${id}`));
  // The longest match wins: a distribution's name may contain a `-`.
  return fitting.sort((one, other) => other.id.length - one.id.length)[0] ?? findDistribution(key);
}

/** The ids by cloud, place and distribution; if the stack has several recipes, by `<recipe>-<distribution>`. */
export function imageIds(images: readonly OutputImage[]): ImageIds {
  const ids: ImageIds = {};
  for (const { place, image } of images) {
    const [cloud, where, distribution] = place.length === 2 ? [place[0], "localhost", place[1]] : place;
    ((ids[cloud] ??= {})[where] ??= {})[distribution] = image.id ?? image.disk ?? image.path ?? "";
  }
  return ids;
}
