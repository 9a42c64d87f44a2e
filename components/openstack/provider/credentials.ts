// Reads the credentials for an OpenStack: from clouds.yaml if OS_CLOUD names a cloud in it, else from OS_* variables.
// Uses the same places and names as OpenStack's own client and the official Pulumi provider:
// https://docs.openstack.org/python-openstackclient/latest/cli/man/openstack.html#cloud-configuration
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../common/user-error.ts";
import { nearest } from "../../../common/nearest.ts";
import { readYaml } from "../../../provision/recipe/read-yaml.ts";

/** Credentials ready to send to Keystone. */
export interface Credentials {
  /** Where they come from, for messages: `clouds.yaml, cloud "ci"`. */
  source: string;
  /** Keystone's v3 endpoint; ends with `/v3`. */
  authUrl: string;
  /** The body of `POST /auth/tokens`. It holds the secret: never show it. */
  auth: object;
  /** The default region. */
  region?: string;
  /** The interface used for services: `public`, `internal`, `admin`. */
  face: string;
  /** PEM of the certificate authorities to trust instead of the system's. */
  certificateAuthorities?: string;
  /** Whether to trust any certificate. */
  insecure: boolean;
  /** Notices for the user, e.g. that a v2.0 address is used as v3. */
  notices: string[];
}

type Values = Partial<Record<string, string>>;

/** The keys of `auth` in clouds.yaml, and the equivalent variables. */
const authVariables: Record<string, string[]> = {
  auth_url: ["OS_AUTH_URL"],
  username: ["OS_USERNAME"],
  user_id: ["OS_USER_ID"],
  password: ["OS_PASSWORD"],
  token: ["OS_TOKEN", "OS_AUTH_TOKEN"],
  project_name: ["OS_PROJECT_NAME", "OS_TENANT_NAME"],
  project_id: ["OS_PROJECT_ID", "OS_TENANT_ID"],
  user_domain_name: ["OS_USER_DOMAIN_NAME", "OS_DOMAIN_NAME"],
  user_domain_id: ["OS_USER_DOMAIN_ID", "OS_DOMAIN_ID"],
  project_domain_name: ["OS_PROJECT_DOMAIN_NAME", "OS_DOMAIN_NAME"],
  project_domain_id: ["OS_PROJECT_DOMAIN_ID", "OS_DOMAIN_ID"],
  default_domain: ["OS_DEFAULT_DOMAIN"],
  application_credential_id: ["OS_APPLICATION_CREDENTIAL_ID"],
  application_credential_name: ["OS_APPLICATION_CREDENTIAL_NAME"],
  application_credential_secret: ["OS_APPLICATION_CREDENTIAL_SECRET"],
};

/**
 * Reads the credentials.
 * @param environment Usually `process.env`.
 * @param directory Where to look for clouds.yaml first.
 * @throws UserError that says what is missing, without any value.
 */
export function readCredentials(environment: NodeJS.ProcessEnv, directory: string): Credentials {
  const { OS_CLOUD: cloud } = environment;
  const { source, auth, rest } = cloud
    ? fromCloudsYaml(cloud, environment, directory)
    : { source: "OS_* environment variables", auth: fromVariables(environment), rest: {} as Values };
  const complain = (found: string, allowed?: string) => {
    const cure = "see docs/openstack.md for the ways to log in";
    return new UserError({ where: source, found, allowed, cure });
  };
  if (!auth.auth_url) {
    throw complain(
      cloud ? "it has no auth.auth_url" : "neither OS_CLOUD nor OS_AUTH_URL is set",
      "OS_CLOUD with a clouds.yaml, or OS_AUTH_URL, OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME and domains, or OS_AUTH_URL and OS_APPLICATION_CREDENTIAL_*",
    );
  }
  const { url, notice } = version3(auth.auth_url, source);
  const authority = rest.cacert ?? environment.OS_CACERT;
  return {
    source,
    authUrl: url,
    auth: { auth: identityOf(auth, complain) },
    region: environment.OS_REGION_NAME || rest.region_name,
    face: (
      rest.interface ??
      rest.endpoint_type ??
      environment.OS_INTERFACE ??
      environment.OS_ENDPOINT_TYPE ??
      "public"
    ).replace(/URL$/, ""),
    certificateAuthorities: authority ? readAuthorities(authority) : undefined,
    insecure: rest.verify === "false" || /^(1|t|true|yes)$/i.test(environment.OS_INSECURE ?? ""),
    notices: notice === undefined ? [] : [notice],
  };
}

function fromVariables(environment: NodeJS.ProcessEnv): Values {
  const found = Object.entries(authVariables).map(([key, names]) => [
    key,
    names.map((name) => environment[name]).find((value) => value !== undefined && value !== ""),
  ]);
  return Object.fromEntries(found) as Values;
}

function fromCloudsYaml(cloud: string, environment: NodeJS.ProcessEnv, directory: string) {
  const places = [
    ...(environment.OS_CLIENT_CONFIG_FILE ? [environment.OS_CLIENT_CONFIG_FILE] : []),
    ...[directory, join(homedir(), ".config", "openstack"), "/etc/openstack"].map((folder) =>
      join(folder, "clouds.yaml"),
    ),
  ];
  const file = places.find((place) => existsSync(place));
  if (file === undefined) {
    throw new UserError({ where: `OS_CLOUD=${cloud}`, found: "there is no clouds.yaml", allowed: places.join(", ") });
  }
  const clouds = cloudsOf(file);
  if (!Object.hasOwn(clouds, cloud)) {
    const near = nearest(cloud, Object.keys(clouds));
    const allowed = Object.keys(clouds).join(", ");
    const cure = near && `did you mean OS_CLOUD=${near}?`;
    throw new UserError({
      where: file,
      key: "clouds",
      found: `there is no cloud "${cloud}" (OS_CLOUD)`,
      allowed,
      cure,
    });
  }
  const secure = file.replace(/clouds\.yaml$/, "secure.yaml");
  const secrets = secure !== file && existsSync(secure) ? (cloudsOf(secure)[cloud] ?? {}) : {};
  const { regions, ...rest } = { ...clouds[cloud], ...secrets } as Record<string, unknown>;
  const known = { ...(clouds[cloud].auth as object), ...(secrets.auth as object) };
  const [region] = Array.isArray(regions) ? (regions as unknown[]) : [];
  const region_name = typeof region === "string" ? region : (region as { name?: string } | undefined)?.name;
  const source = `${file}, cloud "${cloud}"`;
  // A password missing from the file comes from the environment.
  const { password, application_credential_secret } = fromVariables(environment);
  const inMemory = withoutUndefined({ password, application_credential_secret });
  return {
    source,
    auth: { ...inMemory, ...texts(known) },
    rest: { ...withoutUndefined({ region_name }), ...texts(rest) },
  };
}

function cloudsOf(file: string): Record<string, Record<string, unknown>> {
  const { clouds } = readYaml(file);
  if (clouds !== null && typeof clouds === "object") return clouds as Record<string, Record<string, unknown>>;
  throw new UserError({ where: file, key: "clouds", found: "it is missing", allowed: "a mapping of names to clouds" });
}

function texts(values: Record<string, unknown>): Values {
  const simple = Object.entries(values).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  return Object.fromEntries(simple.map(([key, value]) => [key, String(value)]));
}

function withoutUndefined(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function version3(given: string, source: string): { url: string; notice?: string } {
  if (!URL.canParse(given)) {
    throw new UserError({ where: source, key: "auth_url", found: "it is not a URL", allowed: "https://HOST:5000/v3" });
  }
  const plain = given.replace(/\/+$/, "");
  if (plain.endsWith("/v3")) return { url: plain };
  const old = /\/v2(\.0)?$/;
  if (!old.test(plain)) return { url: `${plain}/v3` };
  const url = plain.replace(old, "/v3");
  return { url, notice: `${source}: using ${url} in place of the address of Keystone's old API v2.0` };
}

function identityOf(auth: Values, complain: (found: string, allowed?: string) => UserError): object {
  const {
    application_credential_id: id,
    application_credential_name: name,
    application_credential_secret: secret,
  } = auth;
  const user = auth.user_id ? { id: auth.user_id } : { name: auth.username, domain: domainOf(auth, "user") };
  if (id !== undefined || name !== undefined) {
    if (secret === undefined)
      throw complain("an application credential without its secret", "application_credential_secret");
    if (id === undefined && user.id === undefined && user.name === undefined) {
      throw complain("an application credential by its name, without a user", "application_credential_id, or username");
    }
    // Keystone refuses a scope with these: they carry their own.
    return {
      identity: {
        methods: ["application_credential"],
        application_credential: id ? { id, secret } : { name, secret, user },
      },
    };
  }
  const scope = {
    project: auth.project_id ? { id: auth.project_id } : { name: auth.project_name, domain: domainOf(auth, "project") },
  };
  if (scope.project.id === undefined && scope.project.name === undefined) {
    throw complain(
      "no project is named",
      "project_name or project_id (OS_PROJECT_NAME, OS_PROJECT_ID, OS_TENANT_NAME)",
    );
  }
  if (auth.token !== undefined) return { identity: { methods: ["token"], token: { id: auth.token } }, scope };
  if (user.id === undefined && user.name === undefined) throw complain("no user is named", "username or user_id");
  if (auth.password === undefined) throw complain("there is no password", "password (OS_PASSWORD)");
  return { identity: { methods: ["password"], password: { user: { ...user, password: auth.password } } }, scope };
}

function domainOf(auth: Values, whose: "user" | "project"): object {
  const id = auth[`${whose}_domain_id`];
  if (id) return { id };
  const name = auth[`${whose}_domain_name`];
  return name ? { name } : { id: auth.default_domain ?? "default" };
}

function readAuthorities(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new UserError({ where: `${file} (OS_CACERT, or cacert in clouds.yaml)`, found: `cannot be read (${code})` });
  }
}
