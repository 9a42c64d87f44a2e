// Login and requests to an OpenStack: credentials, token, catalog, errors.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCredentials } from "../../../components/openstack/provider/credentials.ts";
import { Region } from "../../../components/openstack/provider/region.ts";
import { Session } from "../../../components/openstack/provider/session.ts";
import { cloudForEachTest, setEnvironment, testContext } from "./support.ts";

describe("OpenStack login", () => {
  const cloud = cloudForEachTest({ regions: ["RegionOne", "RegionTwo"] });
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "clouds-"))));
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const session = (environment: NodeJS.ProcessEnv) => new Session(readCredentials(environment, folder));
  const regions = (environment: NodeJS.ProcessEnv) => session(environment).regions(testContext().signal);

  it("reads a password from OS_* variables and finds the regions in the catalog", async () => {
    assert.deepEqual(await regions(cloud().environment), ["RegionOne", "RegionTwo"]);
  });

  it("accepts an application credential by id and by name, and sends no scope with it", async () => {
    const { id, name, secret } = cloud().account.applicationCredential;
    const { OS_AUTH_URL, OS_USERNAME, OS_USER_DOMAIN_NAME } = cloud().environment;
    const byId = { OS_AUTH_URL, OS_APPLICATION_CREDENTIAL_ID: id, OS_APPLICATION_CREDENTIAL_SECRET: secret };
    assert.equal((await regions(byId)).length, 2);
    const byName = { OS_AUTH_URL, OS_APPLICATION_CREDENTIAL_NAME: name, OS_APPLICATION_CREDENTIAL_SECRET: secret };
    assert.equal((await regions({ ...byName, OS_USERNAME, OS_USER_DOMAIN_NAME })).length, 2);
  });

  it("reads a cloud from clouds.yaml, and its password from secure.yaml beside it", async () => {
    const { user, project, domain, password } = cloud().account;
    const auth = {
      auth_url: `${cloud().url}/identity`,
      username: user,
      project_name: project,
      user_domain_name: domain,
    };
    const clouds = {
      ci: { auth: { ...auth, project_domain_name: domain }, region_name: "RegionTwo", interface: "internal" },
    };
    await writeFile(join(folder, "clouds.yaml"), JSON.stringify({ clouds }));
    await writeFile(join(folder, "secure.yaml"), JSON.stringify({ clouds: { ci: { auth: { password } } } }));
    const credentials = readCredentials({ OS_CLOUD: "ci" }, folder);
    assert.equal(credentials.region, "RegionTwo");
    assert.equal(credentials.face, "internal");
    assert.equal((await new Session(credentials).regions(testContext().signal)).length, 2);
  });

  it("suggests the nearest name if OS_CLOUD is not in clouds.yaml", async () => {
    await writeFile(join(folder, "clouds.yaml"), JSON.stringify({ clouds: { production: { auth: {} } } }));
    assert.throws(() => readCredentials({ OS_CLOUD: "prodution" }, folder), /did you mean OS_CLOUD=production/);
  });

  it("reads the project from OS_TENANT_NAME, and uses v3 with a notice if the URL says v2.0", async () => {
    const { OS_PROJECT_NAME, OS_AUTH_URL, ...rest } = cloud().environment;
    const old = { ...rest, OS_TENANT_NAME: OS_PROJECT_NAME, OS_AUTH_URL: OS_AUTH_URL.replace("v3", "v2.0/") };
    assert.equal((await regions(old)).length, 2);
    const { notices, authUrl } = readCredentials(old, folder);
    assert.equal(authUrl, OS_AUTH_URL);
    assert.match(notices.join(), /using \S+\/v3 in place of the address of Keystone's old API v2\.0/);
  });

  it("says what is missing, and where credentials can come from", () => {
    assert.throws(() => readCredentials({}, folder), /neither OS_CLOUD nor OS_AUTH_URL is set/);
    const noPassword = { ...cloud().environment, OS_PASSWORD: "" };
    assert.throws(() => readCredentials(noPassword, folder), /there is no password; allowed: password \(OS_PASSWORD\)/);
  });

  it("never shows a password, neither if it is refused nor if nothing answers", async () => {
    const secret = "hidden-secret-value";
    const wrong = { ...cloud().environment, OS_PASSWORD: secret };
    const refused = await regions(wrong).catch(String);
    assert.match(String(refused), /Keystone at .* refused to log in: .*request id req-/);
    const nobody = await regions({ ...wrong, OS_AUTH_URL: "http://127.0.0.1:1/v3" }).catch(String);
    assert.match(String(nobody), /no connection \(ECONNREFUSED\)/);
    assert.ok(![refused, nobody].join().includes(secret));
  });

  it("happens once for all regions and requests, even for concurrent ones", async () => {
    const context = testContext();
    const shared = session(cloud().environment);
    const ask = (name: string) =>
      new Region(name, context, shared).send({ service: "compute", method: "GET", path: "/flavors/detail" });
    await Promise.all([ask("RegionOne"), ask("RegionTwo"), ask("RegionOne")]);
    assert.equal(cloud().identity.logins, 1);
  });

  it("happens once more after the token has expired", async () => {
    const shared = session(cloud().environment);
    const region = new Region("RegionOne", testContext(), shared);
    const request = { service: "compute", method: "GET", path: "/flavors/detail" } as const;
    await region.send(request);
    cloud().identity.expireTokens();
    await Promise.all([region.send(request), region.send(request)]);
    assert.equal(cloud().identity.logins, 2);
  });
});

describe("OpenStack requests", () => {
  const cloud = cloudForEachTest();
  const get = (path: string, service: "compute" | "image" | "network" = "compute", region = "RegionOne") => {
    const context = testContext();
    return new Region(region, context).send({ service, method: "GET", path }).then(() => context.lines);
  };

  it("report a refusal with the service's reason and the request id", async () => {
    await assert.rejects(get("/servers/none"), /404: Instance none could not be found\. \(request id req-/);
    await assert.rejects(
      get("/images/none", "image"),
      /404: 404 No image found with ID none could not be found\. \(request id/,
    );
    await assert.rejects(get("/networks/none", "network"), /404: network none could not be found/);
  });

  it("suggest the nearest region if the catalog does not have the given one", async () => {
    await assert.rejects(get("/limits", "compute", "RegionOnne"), /did you mean "RegionOne"/);
  });

  it("are sent again after the delay that a busy service asks for", async () => {
    cloud().faults.refuse({ matches: /limits/, status: 429, headers: { "retry-after": "0.01" }, times: 2 });
    assert.match((await get("/limits")).join(), /too busy \(429\), trying again in 0\.1 s/);
    assert.equal(cloud().calls.filter((call) => call.includes("limits")).length, 3);
  });

  it("are sent again after a cut connection or a gateway timeout, at most six times", async () => {
    cloud().faults.refuse({ matches: /limits/, status: 0, times: 2 });
    cloud().faults.refuse({ matches: /limits/, status: 504 });
    assert.match(
      (await get("/limits")).join(),
      /no connection \(ECONNRESET\).*; trying again.*answers 504; trying again/s,
    );
    cloud().faults.refuse({ matches: /limits/, status: 0, times: 10 });
    const before = cloud().calls.length;
    await assert.rejects(get("/limits"), /no connection \(ECONNRESET\)/);
    assert.equal(cloud().calls.length - before, 6);
  });

  it("repeat the login if its connection is cut", async () => {
    cloud().faults.refuse({ matches: /auth.tokens/, status: 0, times: 2 });
    await get("/limits");
    assert.equal(cloud().identity.logins, 1);
  });

  it("that create something are sent only once, over a fresh connection", async () => {
    const region = new Region("RegionOne", testContext());
    await region.send({ service: "compute", method: "GET", path: "/limits" });
    cloud().faults.refuse({ matches: /POST .*keypairs/, status: 0, times: 10 });
    const before = cloud().calls.length;
    const body = { keypair: { name: "once" } };
    const made = region.send({ service: "compute", method: "POST", path: "/os-keypairs", body });
    await assert.rejects(made, /no connection \(ECONNRESET\)/);
    assert.equal(cloud().calls.length - before, 1);
    await region.send({ service: "compute", method: "GET", path: "/limits" });
    assert.deepEqual([...new Set(cloud().reused)], ["GET"]);
  });

  it("are not sent again after an error 500", async () => {
    cloud().faults.refuse({ matches: /limits/, status: 500, message: "out of order" });
    await assert.rejects(get("/limits"), /500: out of order/);
  });

  it("stop when the user cancels while a service is busy", async () => {
    cloud().faults.refuse({ matches: /limits/, status: 503, headers: { "retry-after": "60" } });
    const context = testContext();
    const asked = new Region("RegionOne", context).send({ service: "compute", method: "GET", path: "/limits" });
    setTimeout(() => context.abort.abort(new Error("cancelled")), 20);
    await assert.rejects(asked, /cancelled/);
  });

  it("report a CA file (OS_CACERT) that can't be read", async () => {
    setEnvironment({ ...cloud().environment, OS_CACERT: "/does/not/exist.pem" });
    await assert.rejects(async () => get("/limits"), /exist\.pem \(OS_CACERT.*cannot be read/);
  });
});
