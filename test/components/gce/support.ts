// One fake Compute API per test, and helpers that run our resources on it like the engine.
import type { Behaviour, Context } from "../../../provider/resource.ts";
import { startGce, type GceApi, type GceOptions } from "../../test-cloud/gce-api.ts";
import { restoreEnvironment } from "../../restore-environment.ts";

/** Variables that would redirect a test. */
const others = ["GCE_CREDENTIALS_EMAIL", "GCE_CREDENTIALS_PRIVATE_KEY", "GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT"];

/** Runs `work` against a fake API that the environment names, and restores the environment. */
export async function withGce(work: (api: GceApi) => Promise<void>, options: GceOptions = {}): Promise<void> {
  const before = { ...process.env };
  const api = await startGce(options);
  for (const name of others) delete process.env[name];
  Object.assign(process.env, { ...api.environment, CI_IMAGES_POLL_SECONDS: "0.01" });
  try {
    await work(api);
  } finally {
    restoreEnvironment(before);
    await api.close();
  }
}

/** A context that records the permanent progress lines. */
export function watching(): Context & { lines: string[] } {
  const lines: string[] = [];
  const progress = (line: string, transient?: boolean) => void (transient || lines.push(line));
  return { lines, progress, signal: new AbortController().signal };
}

/** Makes a resource. */
export async function create<I extends object, O extends object>(
  type: Behaviour<I, O>,
  inputs: I,
): Promise<{ id: string; outputs: O; lines: string[] }> {
  const context = watching();
  return { ...(await type.create(inputs, context)), lines: context.lines };
}

export const labels = {
  project: "ci-images",
  stack: "gce",
  distribution: "debian12",
  recipe: "0123456789abcdef".repeat(4),
  role: "builder" as const,
  base: "debian-12-bookworm-v20261110",
};

/** Creates a machine like the official provider: boot disk and firewall rules, then the instance. */
export async function makeMachine(
  api: GceApi,
  machine: string,
  { labels: own = {}, autoDelete = false }: { labels?: Record<string, string>; autoDelete?: boolean } = {},
): Promise<string> {
  if (!api.project("debian-cloud").images.has("base")) api.addBase("debian-cloud", "base");
  const zone = "projects/bakery/zones/here-a";
  const disk = { name: machine, sourceImage: "projects/debian-cloud/global/images/base", sizeGb: 12, labels: own };
  await insert(api, `${zone}/disks`, disk);
  for (const name of [machine, `${machine}-closed`]) {
    await insert(api, "projects/bakery/global/firewalls", { name, network: "default" });
  }
  await insert(api, `${zone}/instances`, {
    name: machine,
    labels: own,
    machineType: "zones/here-a/machineTypes/e2-small",
    disks: [{ boot: true, autoDelete, source: `${zone}/disks/${machine}` }],
    metadata: { items: [{ key: "ci-images-recipe", value: labels.recipe }] },
  });
  return api.project("bakery").instances.get(`here-a/${machine}`)!.id;
}

/** Sends an insert, or another change, and waits for its operation. */
export async function insert(api: GceApi, path: string, body: object): Promise<void> {
  const answer = await fetch(api.endpoint + path, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
  const { name } = (await answer.json()) as { name: string };
  const container = /^projects\/[^/]+\/(global|zones\/[^/]+)/.exec(path)![0];
  const url = `${api.endpoint}${container}/operations/${name}`;
  for (;;) {
    const operation = (await (await fetch(url)).json()) as { status: string; error?: object };
    if (operation.error) throw new Error(JSON.stringify(operation.error));
    if (operation.status === "DONE") return;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
