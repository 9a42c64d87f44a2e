// The test cloud's EC2 API without machines, for tests of our own calls: as strict as the real API, and fast.
import type { DataCentre } from "../../test-cloud/data-centre.ts";
import { Ec2Api } from "../../test-cloud/ec2/api.ts";
import { awsVariables, startMoto, type MotoImage } from "../../emulators/moto.ts";

const machine = {
  /** Nothing listens here. */
  address: "127.77.255.1",
  state: async () => "running",
  move: () => {},
  start: async () => {},
  stop: async () => {},
  console: async () => "",
};

/** A data centre whose machines and images exist only as names. */
const nowhere = {
  machine: () => machine,
  hasImage: () => true,
  boot: async () => machine,
  remove: async () => {},
  commit: async () => {},
  copyImage: () => {},
  removeImage: async () => {},
} as unknown as DataCentre;

/** Starts the API and points AWS's SDK in this process to it. @returns the API, and a function that stops it. */
export async function openEc2Api(images: readonly MotoImage[]): Promise<{ api: Ec2Api; close: () => Promise<void> }> {
  const earlier = { ...process.env };
  const moto = await startMoto(images);
  const api = await Ec2Api.start(nowhere, moto.url);
  Object.assign(process.env, awsVariables(api.url), { CI_IMAGES_POLL_SECONDS: "0.2" });
  const close = async () => {
    for (const name of Object.keys(process.env)) if (!(name in earlier)) delete process.env[name];
    Object.assign(process.env, earlier);
    await api.close();
    await moto.stop();
  };
  return { api, close };
}
