// Bakes twelve images in one `pulumi up`: four distributions in three regions of a test cloud (containers) whose API
// takes 0.2 s per answer. The recipe only waits, so this measures how much runs in parallel.
import { chosenBases, Ec2Cloud, regions as ec2Regions } from "../test/test-cloud/ec2-cloud.ts";
import { RackspaceCloud } from "../test/test-cloud/rackspace-cloud.ts";
import { TemporaryStack } from "../cli/temporary-stack.ts";
import type { Row } from "./table.ts";

const distributions = ["debian12", "debian13", "ubuntu22.04", "ubuntu24.04"];
const rackspaceRegions = ["ORD", "DFW", "IAD"];

/** Seconds that the recipe waits, about as long as a real one downloads and installs. */
const wait = 90;

/** Milliseconds for each answer of the API. */
const latency = 200;

/** How many times as long twelve images may take as one. */
const allowed = 1.5;

/** An open test cloud, with the settings for one or all of its regions. */
interface Bench {
  cloud: { variables: Record<string, string>; close(): Promise<void> };
  settings: (regions: 1 | 3) => Record<string, unknown>;
}

/** On EC2, images are copied from region to region. */
async function openEc2(): Promise<Bench> {
  const cloud = await Ec2Cloud.open(distributions.slice(1));
  cloud.api.faults.latency = latency;
  const [region, ...copyTo] = ec2Regions;
  const settings = (regions: 1 | 3) => ({
    cloud: "ec2",
    ec2: { region, copyTo: regions === 1 ? [] : copyTo, bases: chosenBases },
  });
  return { cloud, settings };
}

/** On Rackspace, each region bakes its own images. */
async function openRackspace(): Promise<Bench> {
  const cloud = await RackspaceCloud.open(rackspaceRegions, distributions);
  cloud.api.faults.latency = latency;
  const settings = (regions: 1 | 3) => ({
    cloud: "rackspace",
    rackspace: { regions: rackspaceRegions.slice(0, regions), flavor: "m1.small", networks: ["private"] },
  });
  return { cloud, settings };
}

/**
 * Bakes one image, then twelve.
 * @param say Receives progress lines.
 */
export async function benchEc2(say: (line: string) => void): Promise<Row[]> {
  return compare(say, "four bakes, eight copies", openEc2);
}

/** As {@link benchEc2}. */
export async function benchRackspace(say: (line: string) => void): Promise<Row[]> {
  return compare(say, "twelve bakes", openRackspace);
}

async function compare(say: (line: string) => void, how: string, open: () => Promise<Bench>): Promise<Row[]> {
  say("cloud: baking one image");
  const one = await timeOf(open, 1, distributions.slice(0, 1));
  say(`cloud: one image took ${one.toFixed(1)} s; baking twelve`);
  const twelve = await timeOf(open, 3, distributions);
  return [
    { what: `one image, recipe that waits ${wait} s, API with ${latency} ms`, seconds: one },
    {
      what: `twelve images in one \`pulumi up\` (${how})`,
      seconds: twelve,
      against: { what: `${allowed} × one:`, seconds: one * allowed },
    },
  ];
}

async function timeOf(open: () => Promise<Bench>, regions: 1 | 3, baked: string[]): Promise<number> {
  const { cloud, settings } = await open();
  const recipe = { name: "waits", distributions: baked, modules: ["run"], run: [`sleep ${wait}`] };
  const all = { keep: 0, verify: true, sshFrom: ["127.0.0.0/8"], ...settings(regions) };
  const stack = await TemporaryStack.create(recipe, all, cloud.variables);
  try {
    return (await stack.up()).took;
  } finally {
    await stack.remove();
    await cloud.close();
  }
}
