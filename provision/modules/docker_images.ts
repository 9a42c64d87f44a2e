// Pulls Docker images into the image's cache, so that jobs don't wait for them. Docker must be running: put module
// docker before this one.
//
// A builder that is a container (stack local) can't fill a worker's cache, which stores layers differently. There, the
// images are saved to a file, and each worker loads them once, at its first boot.
import { UserError } from "../../common/user-error.ts";
import { containerData } from "./shared/docker.ts";
import { moduleKey } from "../recipe/load-modules.ts";
import type { BuildConfiguration, Root } from "../module.ts";
import { ownFolder } from "../seal/kept.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote, quoteAll } from "../shell/shell.ts";
import { builderMark, markBuilder, putUnit } from "./shared/units.ts";

export const description = "Pulls Docker images into the cache";
export const settingsRequired = true;

export const settings = {
  type: "array",
  minItems: 1,
  uniqueItems: true,
  items: { type: "string", pattern: "^[a-z0-9][A-Za-z0-9._/:@-]*$" },
  description:
    "The images, as for docker pull. A tag may point to another image later, without a change of the recipe; a digest pins the image.",
  examples: [["busybox:1.37", "registry.example.com/team/tools@sha256:0123456789abcdef"]],
};

/** The images' names and ids, one pair per line. It stays in the image for its tests. */
const list = `${ownFolder}/docker-images`;
/** The file that workers load at their first boot. */
const archive = `${ownFolder}/docker-images.tar`;
const unit = "ci-docker-images.service";

/**
 * Records the pulls.
 * @throws UserError if the recipe lists docker after this module.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  refuseOrder(name, cfg);
  const images = settingsOf<string[]>(cfg, "docker_images", []);
  root.run(
    [
      `if ! docker info >/dev/null; then echo "docker_images: Docker does not run here: put docker before docker_images" >&2; exit 1; fi`,
      `images=(${quoteAll(images)})`,
      `for image in "\${images[@]}"; do docker pull --quiet "$image"; done`,
      `install -d ${ownFolder}`,
      `for image in "\${images[@]}"; do echo "$image $(docker image inspect --format '{{.Id}}' "$image")"; done >${list}`,
      `rm -f ${archive}`,
      `if [ "$(docker info --format '{{.DockerRootDir}}')" = ${containerData} ]; then docker save --output ${archive} "\${images[@]}"; fi`,
      markBuilder,
    ].join("\n"),
  );
  putUnit(root, unit, serviceUnit);
  root.enable(unit, { start: false });
  for (const image of images)
    root.check(`the image ${image} is in Docker's cache`, isThere(image), { timeoutSeconds: 600 });
}

function refuseOrder(name: string, cfg: BuildConfiguration): void {
  const modules = Array.isArray(cfg.modules) ? cfg.modules.map((each) => moduleKey(String(each))) : [];
  if (modules.indexOf("docker") > modules.indexOf(moduleKey(name)))
    throw new UserError({
      where: `module ${name}`,
      key: "modules",
      found: "docker comes after docker_images, which needs it running",
      cure: "put docker before docker_images",
    });
}

/**
 * A worker may still be loading the images. An image saved by its digest has the same id after loading, but no name.
 */
function isThere(image: string): string {
  return `\
id=$(awk -v image=${quote(image)} '$1 == image { print $2 }' ${list})
[ -n "$id" ]
while [[ $(systemctl show --property=ActiveState --value ${unit}) == activating ]]; do sleep 1; done
docker image inspect ${quote(image)} >/dev/null 2>&1 || docker image inspect "$id" >/dev/null`;
}

const serviceUnit = `[Unit]
Description=Load the Docker images that came with the image
Requires=docker.service
After=docker.service
ConditionPathExists=!${builderMark}
ConditionPathExists=${archive}

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'docker load --input ${archive} && rm ${archive}'

[Install]
WantedBy=multi-user.target
`;
