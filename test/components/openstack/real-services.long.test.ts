// Logins, images and imports against OpenStack's own Keystone and Glance: some 300 MB of packages, which take minutes
// to install the first time. The other tests use a fake.
import type { PlanDescription } from "../../../provision/plan/explain.ts";
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { baseOf } from "../../../components/openstack/bases.ts";
import { resolveBase } from "../../../components/openstack/provider/functions/lookups.ts";
import { readCredentials } from "../../../components/openstack/provider/credentials.ts";
import * as images from "../../../components/openstack/provider/images.ts";
import { Region } from "../../../components/openstack/provider/region.ts";
import { Session } from "../../../components/openstack/provider/session.ts";
import { sendContent } from "../../../components/openstack/provider/upload.ts";
import { importLease } from "../../../components/openstack/provider/resources/import-lease.ts";
import { serverImage } from "../../../components/openstack/provider/resources/server-image.ts";
import { sharing } from "../../../components/openstack/provider/resources/sharing.ts";
import { promotion } from "../../../components/openstack/provider/resources/steps.ts";
import {
  fillCatalog,
  region,
  startOpenStackServices,
  type OpenStackServices,
} from "../../emulators/openstack-services.ts";
import { makeStoredImage } from "../local/stored-image.ts";
import { setEnvironment, testContext } from "./support.ts";

describe("OpenStack's own Keystone and Glance", function () {
  this.timeout(900_000);
  let services: OpenStackServices;
  let earlier: Record<string, string | undefined>;
  let token: string;
  let user: string;

  before(async () => {
    services = await startOpenStackServices();
    earlier = Object.fromEntries(Object.entries(process.env).filter(([key]) => key.startsWith("OS_")));
    setEnvironment(services.environment);
    ({ token, user } = await fillCatalog(services));
  });
  after(async () => {
    if (services === undefined) return;
    setEnvironment(earlier);
    await services.stop();
  });

  async function ask(method: string, url: string, body?: unknown, contentType = "application/json"): Promise<Response> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const headers = { "content-type": contentType, ...(token && { "x-auth-token": token }) };
    const response = await fetch(url, { method, headers, body: text });
    assert.ok(response.ok, `${method} ${url}: ${response.status}`);
    return response;
  }
  /** Sends a request to Keystone and parses its answer. */
  async function asked<T>(method: string, path: string, body: unknown): Promise<T> {
    return (await ask(method, services.keystone + path, body)).json() as Promise<T>;
  }
  /** Adds an active image. */
  async function addImage(name: string, properties: object = {}): Promise<string> {
    const image = { name, disk_format: "raw", container_format: "bare", visibility: "private", ...properties };
    const { id } = (await (await ask("POST", `${services.glance}/v2/images`, image)).json()) as { id: string };
    await ask("PUT", `${services.glance}/v2/images/${id}/file`, "data", "application/octet-stream");
    return id;
  }
  const place = () => new Region(region, testContext());
  const regions = (environment: Record<string, string>) =>
    new Session(readCredentials(environment, "/")).regions(testContext().signal);
  const labels = (recipe: string) => ({
    project: "p",
    stack: "s",
    distribution: "debian12",
    recipe,
    role: "image" as const,
  });
  /** Adds an image that looks like a snapshot that Nova has made of a builder. */
  const addSnapshot = (recipe: string, more: object = {}) => {
    const own = Object.entries({ ...labels(recipe), name: "worker", machine: "m", expires: "20300101T000000Z" });
    return addImage("snapshot", {
      ...Object.fromEntries(own.map(([key, value]) => [`ci_images_${key}`, value])),
      ...more,
    });
  };
  /** Adds a snapshot and completes it to one of our images. */
  async function addOurs(recipe: string) {
    const image = (await images.findImage(place(), await addSnapshot(recipe)))!;
    const plan = { modules: "x".repeat(20_000) };
    await images.setProperties(place(), image, images.completeProperties(image, plan, { machineId: "1" }));
    const inputs = { region, ...labels(recipe), name: "worker", properties: { team: "ci", "with/slash~": "yes" } };
    return { inputs, ...(await serverImage.create(inputs, testContext())) };
  }

  it("accept logins by password, with a v2.0 URL, and by application credential", async () => {
    assert.deepEqual(await regions(services.environment), [region]);
    const { OS_AUTH_URL, OS_USERNAME } = services.environment;
    assert.deepEqual(await regions({ ...services.environment, OS_AUTH_URL: OS_AUTH_URL.replace("v3", "v2.0/") }), [
      region,
    ]);
    const path = `/users/${user}/application_credentials`;
    type Made = { application_credential: { id: string; secret: string } };
    const made = await asked<Made>("POST", path, { application_credential: { name: "ci" } });
    const { id, secret: OS_APPLICATION_CREDENTIAL_SECRET } = made.application_credential;
    const byId = { OS_AUTH_URL, OS_APPLICATION_CREDENTIAL_ID: id, OS_APPLICATION_CREDENTIAL_SECRET };
    assert.deepEqual(await regions(byId), [region]);
    const byName = { OS_AUTH_URL, OS_USERNAME, OS_APPLICATION_CREDENTIAL_NAME: "ci", OS_APPLICATION_CREDENTIAL_SECRET };
    assert.deepEqual(await regions(byName), [region]);
  });

  it("refuse a wrong password, and the error does not contain it", async () => {
    const refused = await regions({ ...services.environment, OS_PASSWORD: "hidden" }).catch(String);
    assert.match(
      String(refused),
      /refused to log in: The request you have made requires authentication\. \(request id req-/,
    );
    assert.ok(!String(refused).includes("hidden"));
  });

  it("list images over several pages, and by our properties", async () => {
    const id = await addSnapshot("listed");
    const name = `filler ${randomUUID()}`;
    for (let index = 0; index < 102; index++) await ask("POST", `${services.glance}/v2/images`, { name });
    assert.equal((await images.listImages(place(), { name })).length, 102);
    assert.deepEqual(
      (await images.imagesWith(place(), labels("listed"))).map((image) => image.id),
      [id],
    );
  });

  it("find a base image by name, or else similar names", async () => {
    const id = await addImage("Debian 12 (Bookworm) (PVHVM)", { visibility: "public" });
    const find = async (distribution: string) =>
      resolveBase.call({ region, distribution, base: baseOf(distribution), architecture: "amd64" }, testContext());
    assert.equal((await find("debian12")).id, id);
    await assert.rejects(find("rocky9"), /similar names: .*Debian 12 \(Bookworm\) \(PVHVM\)/);
  });

  it("store a long plan on an image, and let us adopt, change and promote the image", async () => {
    const { id, outputs, inputs } = await addOurs("noted");
    assert.equal(await serverImage.drift!(id, outputs), "none");
    const changed = await serverImage.update!(id, outputs, { ...inputs, properties: { team: "qa" } }, testContext());
    assert.equal(await serverImage.drift!(id, outputs), "update");
    await promotion.create({ region, image: id, how: "test", report: "ok 1" }, testContext());
    const image = (await images.findImage(place(), id))!;
    assert.deepEqual([image.team, image["with/slash~"], image.ci_images_machine], ["qa", undefined, undefined]);
    assert.ok(images.isProven(image));
    assert.equal((images.planOf(image) as unknown as { modules: string }).modules.length, 20_000);
    assert.deepEqual((await serverImage.read!(id, changed, testContext()))!.properties, { team: "qa" });
  });

  it("share an image with a project, and make it private again", async () => {
    const { id } = await addOurs("shared");
    type Project = { project: { id: string } };
    const { project } = await asked<Project>("POST", "/projects", {
      project: { name: randomUUID(), domain_id: "default" },
    });
    const inputs = { region, image: id, visibility: "shared" as const, members: [project.id] };
    await sharing.create(inputs, testContext());
    assert.equal(await sharing.drift!(id, inputs), "none");
    await sharing.update!(id, inputs, { ...inputs, members: [] }, testContext());
    assert.equal(await sharing.drift!(id, inputs), "update");
    await sharing.delete!(id, inputs, testContext());
    assert.equal((await images.findImage(place(), id))!.visibility, "private");
  });

  it("refuse to delete a protected image, with the reason; deletion works later, and again once it is gone", async () => {
    const { id, outputs } = await addOurs("dropped");
    const protect = (value: boolean) =>
      ask(
        "PATCH",
        `${services.glance}/v2/images/${id}`,
        [{ op: "replace", path: "/protected", value }],
        "application/openstack-images-v2.1-json-patch",
      );
    await protect(true);
    const drop = async () => serverImage.delete!(id, outputs, testContext());
    await assert.rejects(drop, /refused with 403: Image .* is protected and cannot be deleted\. \(request id/);
    await protect(false);
    await drop();
    await drop();
    assert.equal(await serverImage.read!(id, outputs, testContext()), undefined);
    assert.equal(await serverImage.drift!(id, outputs), "replace");
  });

  describe("import a local image", () => {
    let folder: string;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "ci-images-import-"));
      await makeStoredImage(folder, { recipe: "imported", formats: ["qcow2", "raw"] });
    });
    after(() => rm(folder, { recursive: true }));

    /** Imports the image. @param recipe Different for each test. */
    async function imported(recipe: string, format: "qcow2" | "raw", context = testContext()) {
      await makeStoredImage(folder, { recipe, formats: ["qcow2", "raw"] });
      const own = labels(recipe);
      const lease = await importLease.create(
        { region, prefix: "p", labels: { ...own, base: "b" }, lifetime: 3600 },
        context,
      );
      const { machine, expires } = lease.outputs;
      const importing = {
        folder,
        machine,
        base: "b",
        expires,
        plan: {} as PlanDescription,
        format,
        defaults: { hw_disk_bus: "virtio" },
      };
      return serverImage.create({ region, ...own, name: "worker", properties: {}, importing }, context);
    }

    for (const format of ["qcow2", "raw"] as const) {
      it(`as ${format}, with the same sha512`, async () => {
        const { id } = await imported(`as ${format}`, format);
        const image = (await images.findImage(place(), id))!;
        const content = await readFile(join(folder, `disk.${format}`));
        assert.deepEqual(
          [image.status, image.disk_format, image.os_hash_algo, image.hw_disk_bus],
          ["active", format, "sha512", "virtio"],
        );
        assert.equal(image.os_hash_value, createHash("sha512").update(content).digest("hex"));
        assert.ok(images.isComplete(image));
      });
    }

    it("and keep nothing if the user cancels the upload", async () => {
      const context = testContext();
      const progress = (line: string) => {
        context.lines.push(line);
        if (/uploaded/.test(line)) context.abort.abort(new Error("cancelled"));
      };
      await assert.rejects(imported("given up", "raw", { ...context, progress }), /cancelled/);
      assert.deepEqual(await images.imagesWith(place(), labels("given up")), []);
    });

    it("by staging and import, which some clouds demand", async () => {
      const disk = join(folder, "disk.qcow2");
      const { size: bytes } = await stat(disk);
      const made = { name: "staged", disk_format: "qcow2", container_format: "bare" };
      const answer = await ask("POST", `${services.glance}/v2/images`, made);
      assert.match(answer.headers.get("openstack-image-import-methods")!, /glance-direct/);
      const { id } = (await answer.json()) as { id: string };
      await sendContent(place(), id, { bytes, open: () => createReadStream(disk) }, "staged");
      let image = await images.findImage(place(), id);
      for (; image?.status !== "active"; image = await images.findImage(place(), id)) {
        assert.ok(image && !["killed", "queued"].includes(image.status), image?.status);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      assert.equal(image.size, bytes);
    });
  });

  it("refuse a revoked token, and accept a new login", async () => {
    const session = new Session(readCredentials(services.environment, "/"));
    const asks = new Region(region, testContext(), session);
    const look = () => asks.exchange({ service: "image", method: "GET", path: "/images?limit=1" });
    await look();
    const login = await (session as unknown as { login: Promise<{ token: string }> }).login;
    const headers = { "x-auth-token": token, "x-subject-token": login.token };
    const revoked = await fetch(`${services.keystone}/auth/tokens`, { method: "DELETE", headers });
    assert.equal(revoked.status, 204);
    assert.equal((await look()).status, 200);
  });
});
