// Opens an OpenStack as the stack's cloud: one object per region, from the settings and the credentials.
import * as pulumi from "@pulumi/pulumi";
import { UserError } from "../../common/user-error.ts";
import { nearest } from "../../common/nearest.ts";
import { invoke } from "../shared/invoke.ts";
import { readOwnKey } from "../shared/login-key.ts";
import { refuseOtherPlaces } from "../life-cycle/other-places.ts";
import { StackState } from "../life-cycle/stack-state.ts";
import { Once } from "../shared/once.ts";
import type { Opening } from "../open-clouds.ts";
import type { Settings } from "../stack-settings.ts";
import * as contract from "./contract.ts";
import { OpenStackCloud } from "./cloud.ts";
import type { OpenStackSettings } from "./settings.ts";
import type { OpenStackStack } from "./stack.ts";

export const open: Opening = (settings, _projectDirectory, state, once) => openOpenStack(settings, state, once);

/**
 * Logs in and opens the regions that the stack bakes in.
 * @param state The resources already in the state.
 * @throws UserError if the credentials are refused, a region is not in the catalog, or the credentials alone name the
 *   region and the images are in another one.
 */
export async function openOpenStack(
  all: Settings,
  state = new StackState(),
  once = new Once(),
): Promise<OpenStackCloud[]> {
  // The stack's file has the cloud's own settings under the stack's name for the cloud.
  const own = (all as unknown as Record<string, OpenStackSettings>)[all.cloud];
  const settings: OpenStackStack = { ...all, openstack: own };
  const { regions: wanted, visibility, members } = settings.openstack;
  // The user's name for the cloud, in settings and environment variables.
  const section = `ci-images:${settings.cloud}`;
  const variable = settings.cloud.toUpperCase();
  const where = `Pulumi.${pulumi.getStack()}.yaml`;
  if (members.length > 0 && visibility !== "shared") {
    const found = `${members.length} projects, but the images are ${visibility}`;
    const cure = `set ${section}.visibility to shared`;
    throw new UserError({ where, key: `${section}.members`, found, cure });
  }
  const ownKey = readOwnKey(
    {
      name: `${variable}_KEY_PAIR`,
      publicKey: `${variable}_PUBLIC_KEY_FILENAME`,
      privateKey: `${variable}_PRIVATE_KEY_FILENAME`,
    },
    process.env,
  );
  const { regions, usual, authUrl } = await once.get("rackspace regions", async () => {
    const found = await invoke(contract.regions, {});
    for (const notice of found.notices) void pulumi.log.info(notice);
    return found;
  });
  const chosen = wanted.length > 0 ? wanted : usual === undefined ? [] : [usual];
  const key = `${section}.regions`;
  if (chosen.length === 0) {
    throw new UserError({ where, key, found: "not set, nor is OS_REGION_NAME", allowed: regions.join(", ") });
  }
  for (const region of chosen.filter((each) => !regions.includes(each))) {
    const near = nearest(region, regions);
    const cure = near && `did you mean "${near}"?`;
    throw new UserError({ where, key, found: `there is no region "${region}"`, allowed: regions.join(", "), cure });
  }
  if (wanted.length === 0) {
    const source = "the credentials name";
    const set = "the credentials' region (OS_REGION_NAME, clouds.yaml)";
    const write = (places: readonly string[]) => `[${places.join(", ")}]`;
    refuseOtherPlaces({ key, place: chosen[0], source, set, write }, state.placesOf(isImage));
  }
  return chosen.map((region) => new OpenStackCloud(settings, region, state, { authUrl, ownKey }, once));
}

function isImage(_name: string, type: string): boolean {
  return type === contract.ServerImage.token;
}
