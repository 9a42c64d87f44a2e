// EC2's API with an image on this computer to import, for the tests of imports.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ec2 } from "../../../components/ec2/provider/client.ts";
import { baseImage } from "../../test-cloud/ec2-cloud.ts";
import { makeStoredImage } from "../local/stored-image.ts";
import { openEc2Api } from "./ec2-api.ts";

/** Opens it. @param image What to store. @returns also the folder of the image, and `home`, which has the cache. */
export async function openImportPlace(region: string, image: Parameters<typeof makeStoredImage>[1]) {
  const home = await mkdtemp(join(tmpdir(), "ci-images-import-"));
  const folder = join(home, "image");
  await makeStoredImage(folder, image);
  const { api, close: closeApi } = await openEc2Api([baseImage]);
  process.env.CI_IMAGES_CACHE = join(home, "cache");
  const close = async (): Promise<void> => {
    await closeApi();
    delete process.env.CI_IMAGES_CACHE;
    await rm(home, { recursive: true });
  };
  return { api, client: await ec2(region), home, folder, close };
}
