// The client of the Compute API: identity, retries, errors.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { credentialsJson, readGceEnvironment } from "../../../components/gce/facts/environment.ts";
import { UserError } from "../../../common/user-error.ts";
import { findIdentity, LoginError } from "../../../components/gce/provider/credentials.ts";
import { Compute } from "../../../components/gce/provider/compute.ts";
import { watching, withGce } from "./support.ts";
import { restoreEnvironment } from "../../restore-environment.ts";

const key = generateKeyPairSync("rsa", { modulusLength: 2048 })
  .privateKey.export({ type: "pkcs8", format: "pem" })
  .toString();

describe("gce's environment variables", () => {
  it("can hold a service account's key with line breaks or with \\n written out", () => {
    for (const written of [key, key.replaceAll("\n", "\\n"), key.trim()]) {
      const { serviceAccount } = readGceEnvironment({
        GCE_CREDENTIALS_EMAIL: "baker@bakery.iam",
        GCE_CREDENTIALS_PRIVATE_KEY: written,
      });
      assert.equal(serviceAccount!.privateKey.trim(), key.trim());
      const parsed = JSON.parse(credentialsJson(serviceAccount!, "bakery")) as Record<string, string>;
      assert.equal(parsed.client_email, "baker@bakery.iam");
    }
  });

  it("are refused if the account is incomplete or the key invalid, without showing the key", () => {
    assert.throws(() => readGceEnvironment({ GCE_CREDENTIALS_EMAIL: "x" }), /GCE_CREDENTIALS_PRIVATE_KEY: not set/);
    assert.throws(() => readGceEnvironment({ GCE_CREDENTIALS_PRIVATE_KEY: key }), /GCE_CREDENTIALS_EMAIL: not set/);
    assert.throws(
      () => readGceEnvironment({ GCE_CREDENTIALS_EMAIL: "x", GCE_CREDENTIALS_PRIVATE_KEY: "s3cr3t" }),
      (error: Error) => /no private key/.test(error.message) && !error.message.includes("s3cr3t"),
    );
  });

  it("mark a custom endpoint outside Google as an emulator, which gets no credentials", () => {
    const at = (GOOGLE_COMPUTE_CUSTOM_ENDPOINT?: string) => readGceEnvironment({ GOOGLE_COMPUTE_CUSTOM_ENDPOINT });
    assert.deepEqual(
      [at().emulator, at("https://compute-x.p.googleapis.com/compute/v1").emulator, at("http://127.0.0.1:1/").emulator],
      [false, false, true],
    );
    assert.equal(at("http://127.0.0.1:1/compute/v1").endpoint, "http://127.0.0.1:1/compute/v1/");
  });

  it("lead to an error that names the account that can't log in, and how to log in", async () => {
    const before = { ...process.env };
    // Nothing listens at this proxy, so Google can't be reached.
    process.env.HTTPS_PROXY = "http://127.0.0.1:9";
    const serviceAccount = { email: "baker@bakery.iam", privateKey: key };
    try {
      const identity = await findIdentity({
        serviceAccount,
        endpoint: "https://compute/",
        storage: "",
        emulator: false,
      });
      await assert.rejects(
        identity.headers(),
        (error: Error) =>
          error instanceof UserError &&
          /^Google Cloud, baker@bakery\.iam: .*gcloud auth application-default login/.test(error.message),
      );
    } finally {
      restoreEnvironment(before);
    }
  });
});

describe("the client of the Compute API", () => {
  const open = () => Compute.open("bakery", watching());

  it("sends throttled and failed requests again, but makes each change only once", () =>
    withGce(async (api) => {
      api.addBase("bakery", "image");
      const compute = await open();
      api.faults.refuse({ matches: /^GET/, status: 403, reason: "rateLimitExceeded", times: 3 });
      assert.ok(await compute.find("global/images/image"));
      api.faults.refuse({ matches: /^DELETE/, status: 503, reason: "backendError" });
      assert.equal(await compute.remove("global/images/image", "image", 5), true);
      assert.equal(await compute.remove("global/images/image", "image", 5), false);
    }));

  it("gives up if throttling continues, and says so", () =>
    withGce(async (api) => {
      api.faults.refuse({ matches: /./, status: 403, reason: "rateLimitExceeded", message: "too fast", times: 100 });
      const compute = await open();
      await assert.rejects(
        compute.find("global/images/image"),
        /GET projects\/bakery.*too fast \(403, rateLimitExceeded\); cure: run the command again in a minute/,
      );
    }));

  it("reports a final refusal at once, with the cure", () =>
    withGce(async (api) => {
      const compute = await open();
      api.faults.refuse({ matches: /./, status: 403, reason: "forbidden", message: "no permission" });
      await assert.rejects(
        compute.find("zones"),
        /no permission \(403, forbidden\); cure: give .* roles .*docs\/gce\.md/,
      );
      assert.equal(api.calls.length, 1);
    }));

  it("asks for a token again if Google doesn't answer, and not if it refuses", async () => {
    const before = { ...process.env };
    const asked: string[] = [];
    // A proxy in front of Google that closes connections.
    const proxy = createServer().on("connect", (request, socket) => void (asked.push(request.url!), socket.destroy()));
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    process.env.HTTPS_PROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    Object.assign(process.env, { GCE_CREDENTIALS_EMAIL: "away@bakery.iam", GCE_CREDENTIALS_PRIVATE_KEY: key });
    delete process.env.GOOGLE_COMPUTE_CUSTOM_ENDPOINT;
    try {
      const controller = new AbortController();
      const lines: string[] = [];
      const progress = (line: string) => void (lines.push(line), controller.abort(new Error("cancelled")));
      const compute = await Compute.open("bakery", { progress, signal: controller.signal });
      await assert.rejects(compute.find("zones"), /cancelled/);
      assert.match(lines[0], /GET projects\/bakery\/zones: .*; trying again/);
      assert.deepEqual(new Set(asked), new Set(["oauth2.googleapis.com:443"]));
      assert.equal((await Compute.open("bakery", watching())).identity, compute.identity, "all share its token");
    } finally {
      restoreEnvironment(before);
      proxy.closeAllConnections();
      proxy.close();
    }
    const refused = Object.assign(new Error("invalid_grant"), { config: {}, response: { status: 400 } });
    assert.equal(new LoginError("baker", refused).mayPass, false);
    assert.equal(new LoginError("baker", new Error("Could not load the default credentials")).mayPass, false);
    assert.equal(new LoginError("baker", Object.assign(refused, { response: { status: 503 } })).mayPass, true);
  });

  it("reports why an operation failed", () =>
    withGce(async (api) => {
      const compute = await open();
      const fault = { reason: "QUOTA_EXCEEDED", status: 403, message: "Quota 'IMAGES' exceeded. Limit: 2000.0" };
      api.faults.fail({ matches: /^POST .*firewalls$/, ...fault });
      const body = { name: "rule", network: "default" };
      await assert.rejects(
        compute.change("POST", "global/firewalls", { what: "making rule", seconds: 5, body }),
        /project bakery: making rule: Quota 'IMAGES' exceeded.*raise the quota/,
      );
    }));

  it("gives up at once when the user cancels", () =>
    withGce(async (api) => {
      api.faults.refuse({ matches: /./, status: 429, reason: "rateLimitExceeded", times: 100 });
      const controller = new AbortController();
      const progress = () => controller.abort(new Error("cancelled"));
      const compute = await Compute.open("bakery", { progress, signal: controller.signal });
      await assert.rejects(compute.find("zones"), /cancelled/);
      assert.equal(api.calls.length, 1);
    }));
});
