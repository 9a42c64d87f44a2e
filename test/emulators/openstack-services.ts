// OpenStack's own Keystone and Glance from PyPI, with empty databases: real clouds run the same code for logins and
// images. Nova would also need a message bus, a scheduler and a hypervisor; test/test-cloud/openstack-api.ts fakes it.
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { withLock } from "../../components/local/provider/file-lock.ts";
import { readCredentials } from "../../components/openstack/provider/credentials.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";

/** The releases that the tests were written with. */
const releases = { keystone: "30.0.0", glance: "33.0.0" };
const script = fileURLToPath(new URL("openstack-services.py", import.meta.url));

/** The administrator's password, which is not secret. */
const password = "pass word's";
export const region = "RegionOne";

/** Both services, running. */
export interface OpenStackServices {
  /** Variables that log in to them as the administrator. */
  environment: Record<string, string>;
  keystone: string;
  glance: string;
  stop(): Promise<void>;
}

/**
 * Starts both services on free ports. The first call installs them into the project's cache, which takes some minutes.
 */
export async function startOpenStackServices(): Promise<OpenStackServices> {
  const home = await installed();
  const folder = await mkdtemp(join(tmpdir(), "ci-images-openstack-"));
  const running: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (const end of running.reverse()) await end();
  };
  try {
    await cp(join(home, "template"), folder, { recursive: true });
    await configure(folder, home);
    const keystone = `${await serve(home, "keystone", folder, running)}/v3`;
    await configure(folder, home, keystone);
    const glance = await serve(home, "glance", folder, running);
    const environment = {
      OS_AUTH_URL: keystone,
      OS_USERNAME: "admin",
      OS_PASSWORD: password,
      OS_PROJECT_NAME: "admin",
      OS_REGION_NAME: region,
    };
    return { environment, keystone, glance, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Registers both services in Keystone's catalog. @returns the administrator's token and user id. */
export async function fillCatalog({ environment, keystone, glance }: OpenStackServices) {
  const headers: Record<string, string> = { "content-type": "application/json" };
  const ask = async (path: string, body: unknown) => {
    const response = await fetch(keystone + path, { method: "POST", headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`POST ${path}: ${response.status}`);
    return { response, answer: (await response.json()) as Record<string, { id: string; user: { id: string } }> };
  };
  const { response, answer } = await ask("/auth/tokens", readCredentials(environment, "/").auth);
  const token = response.headers.get("x-subject-token")!;
  headers["x-auth-token"] = token;
  await ask("/regions", { region: { id: region } });
  for (const [type, url] of Object.entries({ identity: keystone, image: glance, compute: glance })) {
    const { service } = (await ask("/services", { service: { name: type, type } })).answer;
    // Glance uses Keystone's internal endpoint.
    for (const face of ["public", "internal"]) {
      await ask("/endpoints", { endpoint: { service_id: service.id, interface: face, region_id: region, url } });
    }
  }
  return { token, user: answer.token.user.id };
}

/** Starts a service and adds its stop function to `running`. @returns its URL. */
async function serve(home: string, service: string, folder: string, running: (() => Promise<void>)[]): Promise<string> {
  const server = execa(join(home, "venv/bin/python"), ["-W", "ignore", script, service, folder], {
    all: true,
    reject: false,
    stdin: "ignore",
  });
  running.push(async () => {
    server.kill("SIGKILL");
    await server;
  });
  return await new Promise((resolve, reject) => {
    let said = "";
    server.all.on("data", (data: Buffer) => {
      said += data.toString();
      const port = /^listening on (\d+)$/m.exec(said)?.[1];
      if (port !== undefined) resolve(`http://127.0.0.1:${port}`);
    });
    void server.then(() => reject(new Error(`${service} ended:\n${said}`)));
  });
}

/** Writes the configuration of both services. @param keystone Keystone's URL, once it is known. */
async function configure(folder: string, home: string, keystone = ""): Promise<void> {
  const at = (name: string) => join(folder, name);
  await writeFile(
    at("keystone.conf"),
    `[DEFAULT]\nlog_file=${at("keystone.log")}\n[database]\nconnection=sqlite:///${at("keystone.db")}
[cache]\nenabled=false\n[fernet_tokens]\nkey_repository=${at("fernet")}\n[fernet_receipts]\nkey_repository=${at("fernet")}
[credential]\nkey_repository=${at("credential")}\n`,
  );
  for (const name of ["images", "staging", "tasks"]) await mkdir(at(name), { recursive: true });
  await writeFile(
    at("glance-api.conf"),
    `[DEFAULT]\nlog_file=${at("glance.log")}\nenabled_backends=files:file\n[database]\nconnection=sqlite:///${at("glance.db")}
[glance_store]\ndefault_backend=files\n[files]\nfilesystem_store_datadir=${at("images")}
[os_glance_staging_store]\nfilesystem_store_datadir=${at("staging")}\n[os_glance_tasks_store]\nfilesystem_store_datadir=${at("tasks")}
[keystone_authtoken]\nauth_url=${keystone}\nwww_authenticate_uri=${keystone}\nauth_type=password\nusername=admin\npassword=${password}
project_name=admin\nuser_domain_id=default\nproject_domain_id=default
[paste_deploy]\nflavor=keystone\nconfig_file=${join(home, "venv/etc/glance/glance-api-paste.ini")}\n`,
  );
}

/** Returns the folder with the virtual environment and the initial databases. The first call creates it. */
async function installed(): Promise<string> {
  const cache = join(projectDirectory, ".cache");
  const home = join(cache, `keystone-${releases.keystone}-glance-${releases.glance}`);
  await mkdir(cache, { recursive: true });
  return withLock(`${home}.lock`, async () => {
    const template = join(home, "template");
    if (existsSync(template)) return home;
    await execa("python3", ["-m", "venv", join(home, "venv")]);
    const packages = Object.entries(releases).map(([name, release]) => `${name}==${release}`);
    await execa(join(home, "venv/bin/pip"), ["install", "--quiet", ...packages]);
    const unfinished = join(home, "unfinished");
    await rm(unfinished, { recursive: true, force: true });
    for (const keys of ["fernet", "credential"]) await mkdir(join(unfinished, keys), { recursive: true, mode: 0o700 });
    await configure(unfinished, home);
    const run = (program: string, ...args: string[]) => execa(join(home, "venv/bin", program), args);
    const keystone = ["--config-file", join(unfinished, "keystone.conf")];
    await run("keystone-manage", ...keystone, "db_sync");
    const { username, gid } = userInfo();
    const owner = ["--keystone-user", username, "--keystone-group", String(gid)];
    await run("keystone-manage", ...keystone, "fernet_setup", ...owner);
    await run("keystone-manage", ...keystone, "bootstrap", "--bootstrap-password", password);
    await run("glance-manage", "--config-file", join(unfinished, "glance-api.conf"), "db_sync");
    await rename(unfinished, template);
    return home;
  });
}
