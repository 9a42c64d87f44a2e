// Runs moto, a third-party AWS emulator (https://docs.getmoto.org), in a separate server process. It checks our calls
// independently of our own code.
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { withLock } from "../../components/local/provider/file-lock.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";

// The SDK's note about Node's version only clutters test output.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";

/** The release that the tests were written with. */
const release = "5.2.5";

/** Seconds until the server must answer. */
const startSeconds = 60;

/** An image that exists in every region before the first call. */
export interface MotoImage {
  ami_id: string;
  name: string;
  description: string;
  /** Twelve digits; 136693071363 is Debian. */
  owner_id: string;
  /** `x86_64`, `arm64`. */
  architecture: string;
  /** ISO 8601. */
  creation_date: string;
}

/** A running server. */
export interface Moto {
  /** For AWS_ENDPOINT_URL: `http://127.0.0.1:PORT`. */
  url: string;
  /** Stops the server and discards its state. */
  stop: () => Promise<void>;
}

/**
 * Variables that direct AWS SDKs and plugins to an emulator only.
 * @param url The URL of the emulator or of a proxy for it.
 */
export function awsVariables(url: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: url,
    AWS_ACCESS_KEY_ID: "test",
    AWS_SECRET_ACCESS_KEY: "test",
    AWS_REGION: "eu-central-1",
    AWS_EC2_METADATA_DISABLED: "true",
    // The user's own files must not affect tests.
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  };
}

/**
 * Starts a server with empty state on a free port.
 * @param images The only images; moto's own list by default.
 */
export async function startMoto(images?: readonly MotoImage[]): Promise<Moto> {
  const python = await pythonWithMoto();
  const folder = await mkdtemp(join(tmpdir(), "ci-images-moto-"));
  const file = join(folder, "images.json");
  if (images) await writeFile(file, JSON.stringify(images.map(withDefaults)));
  const server = execa(python, ["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], {
    env: images ? { MOTO_AMIS_PATH: file } : {},
    all: true,
    reject: false,
    stdin: "ignore",
  });
  const stop = async () => {
    server.kill("SIGKILL");
    await server;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { url: await addressOf(server), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Reads the address from the server's output, because it chooses the port itself. */
async function addressOf(server: { all: NodeJS.ReadableStream } & Promise<{ all?: string }>): Promise<string> {
  return await new Promise((resolve, reject) => {
    let said = "";
    const late = setTimeout(() => reject(new Error(`moto does not answer:\n${said}`)), startSeconds * 1000);
    server.all.on("data", (data: Buffer) => {
      said += data.toString();
      const url = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(said)?.[1];
      if (url === undefined) return;
      clearTimeout(late);
      resolve(url);
    });
    void server.then(() => {
      clearTimeout(late);
      reject(new Error(`moto ended:\n${said}`));
    });
  });
}

/** Returns the Python that has moto. The first call installs it into the project's cache. */
export async function pythonWithMoto(): Promise<string> {
  const cache = join(projectDirectory, ".cache");
  const environment = join(cache, `moto-${release}`);
  const [python, done] = [join(environment, "bin", "python"), join(environment, "installed")];
  await mkdir(cache, { recursive: true });
  await withLock(`${environment}.lock`, async () => {
    if (existsSync(done)) return;
    await rm(environment, { recursive: true, force: true });
    await execa("python3", ["-m", "venv", environment]);
    await execa(python, ["-m", "pip", "install", "--quiet", `moto[server,ec2,ssm]==${release}`]);
    await writeFile(done, "");
  });
  return python;
}

function withDefaults(image: MotoImage): object {
  return {
    state: "available",
    public: true,
    virtualization_type: "hvm",
    hypervisor: "xen",
    image_type: "machine",
    image_location: `${image.owner_id}/${image.name}`,
    root_device_type: "ebs",
    root_device_name: "/dev/xvda",
    sriov: "simple",
    ...image,
  };
}
