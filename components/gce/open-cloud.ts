// Opens Google Compute Engine as the stack's cloud, from the settings and the environment.
import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { credentialsJson, readGceEnvironment } from "./facts/environment.ts";
import { invoke } from "../shared/invoke.ts";
import { readOwnKey } from "../shared/login-key.ts";
import { Once } from "../shared/once.ts";
import type { GceStack } from "./stack.ts";
import type { Opening } from "../open-clouds.ts";
import { refuseOtherPlaces } from "../life-cycle/other-places.ts";
import type { StackState } from "../life-cycle/stack-state.ts";
import * as contract from "./contract.ts";
import { GceCloud } from "./cloud.ts";

export const open: Opening<GceStack> = async (settings, _projectDirectory, state, once) => [
  await openGce(settings, state, once),
];

/**
 * Opens the stack's project.
 * @param state The resources already in the state.
 * @throws UserError if the project is unknown, credentials or key in the environment are invalid, or the environment
 *   alone names the project and the images are in another one.
 */
export async function openGce(settings: GceStack, state: StackState, once = new Once()): Promise<GceCloud> {
  const ownKey = readOwnKey({ privateKey: "GCE_PRIVATE_KEY", publicKey: "GCE_PUBLIC_KEY" }, process.env);
  const { serviceAccount, emulator, custom } = readGceEnvironment(process.env);
  const { project: named } = settings.gce;
  const { project } = await once.get("gce account", () =>
    invoke(contract.account, named === undefined ? {} : { project: named }),
  );
  if (named === undefined) {
    const from = {
      source: "the environment or the credentials name",
      set: "GCE_PROJECT (or another variable that docs/gce.md lists), or the credentials",
    };
    refuseOtherPlaces({ key: "ci-images:gce.project", place: project, ...from }, state.placesOf(isImage, "project"));
  }
  const credentials = serviceAccount && pulumi.secret(credentialsJson(serviceAccount, project));
  // The official provider requires credentials, even for an emulator that ignores them.
  const nobody = emulator && !credentials ? { accessToken: "none" } : {};
  // Pulumi's plugin is built from google-beta, whose requests have fields that v1 refuses.
  const endpoint = custom === undefined ? {} : { computeCustomEndpoint: custom.replace(/\/v1\/$/, "/beta/") };
  const args = { project, ...(credentials && { credentials }), ...nobody, ...endpoint };
  const provider = once.get("gce provider", () => new gcp.Provider("gce", args));
  return new GceCloud(settings, project, provider, state, ownKey, once);
}

function isImage(_name: string, type: string): boolean {
  return type === "gcp:compute/image:Image" || type === contract.ImportedImage.token;
}
