// Google's discovery documents for v1 and beta of the Compute API, with every method, parameter and field. They are
// taken from Google's client library for Python (https://pypi.org/project/google-api-python-client).
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { withLock } from "../../components/local/provider/file-lock.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";

/** The release that the tests were written with; its documents are of 2026. */
const release = "2.202.0";

/** The part of JSON schema that discovery documents use: https://developers.google.com/discovery/v1/type-format */
export interface DiscoverySchema {
  $ref?: string;
  type?: string;
  format?: string;
  pattern?: string;
  enum?: string[];
  items?: DiscoverySchema;
  properties?: Record<string, DiscoverySchema>;
  additionalProperties?: DiscoverySchema;
  /** Methods that require the field: `{ required: ["compute.instances.insert"] }`. */
  annotations?: { required?: string[] };
}

/** A parameter in the path or the query. */
export interface DiscoveryParameter extends DiscoverySchema {
  location: "path" | "query";
  required?: boolean;
  repeated?: boolean;
}

export interface DiscoveryMethod {
  /** `compute.instances.insert`. */
  id: string;
  httpMethod: string;
  /** Below the endpoint: `projects/{project}/zones/{zone}/instances`. */
  flatPath?: string;
  path: string;
  parameters?: Record<string, DiscoveryParameter>;
  request?: { $ref: string };
  response?: { $ref: string };
}

interface DiscoveryResource {
  methods?: Record<string, DiscoveryMethod>;
  resources?: Record<string, DiscoveryResource>;
}

/** A discovery document: https://developers.google.com/discovery/v1/reference/apis */
export interface Discovery extends DiscoveryResource {
  revision: string;
  /** Parameters that all methods accept. */
  parameters: Record<string, DiscoveryParameter>;
  schemas: Record<string, DiscoverySchema>;
}

const read = new Map<string, Promise<Discovery>>();

/** Reads the document of one version of the Compute API. The first call ever downloads it into the project's cache. */
export function computeDiscovery(version: "v1" | "beta"): Promise<Discovery> {
  const known = read.get(version);
  if (known) return known;
  const reading = readDocument(version);
  read.set(version, reading);
  return reading;
}

/** All methods, including those of nested resources. */
export function methodsOf({ methods = {}, resources = {} }: DiscoveryResource): DiscoveryMethod[] {
  return [...Object.values(methods), ...Object.values(resources).flatMap(methodsOf)];
}

async function readDocument(version: string): Promise<Discovery> {
  const cache = join(projectDirectory, ".cache");
  const folder = join(cache, `google-discovery-${release}`);
  await mkdir(cache, { recursive: true });
  await withLock(`${folder}.lock`, async () => {
    if (!existsSync(folder)) await download(cache, folder);
  });
  return JSON.parse(await readFile(join(folder, `compute.${version}.json`), "utf8")) as Discovery;
}

async function download(cache: string, folder: string): Promise<void> {
  const work = await mkdtemp(join(cache, "google-discovery-"));
  try {
    const what = ["--no-deps", "--only-binary=:all:", `google-api-python-client==${release}`];
    await execa("python3", ["-m", "pip", "download", "--quiet", "--dest", work, ...what]);
    const wheel = join(work, `google_api_python_client-${release}-py3-none-any.whl`);
    const extract = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for version in ("v1", "beta"):
        name = f"compute.{version}.json"
        with open(f"{sys.argv[2]}/{name}", "wb") as file:
            file.write(wheel.read(f"googleapiclient/discovery_cache/documents/{name}"))
`;
    await execa("python3", ["-c", extract, wheel, work]);
    await rm(wheel);
    await rename(work, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
