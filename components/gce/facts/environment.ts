// Reads the environment variables for Google Compute Engine: identity, project and server. The program (for the
// official provider) and our own provider share this code, so that both read them the same way.
import { UserError } from "../../../common/user-error.ts";

/** A service account given by environment variables. */
export interface ServiceAccount {
  email: string;
  /** PEM. */
  privateKey: string;
}

export interface GceEnvironment {
  /** Undefined if application default credentials are used. */
  serviceAccount?: ServiceAccount;
  /** The project's id, if the environment names one. */
  project?: string;
  /** URL of the Compute API, ending with `/`. */
  endpoint: string;
  /** URL of Cloud Storage, ending with `/`. */
  storage: string;
  /** The Compute API's URL, if the environment sets it. */
  custom?: string;
  /** True if the endpoint is an emulator: requests carry no credentials. */
  emulator: boolean;
}

/** https://cloud.google.com/compute/docs/reference/rest/v1 */
const publicEndpoint = "https://compute.googleapis.com/compute/v1/";

const publicStorage = "https://storage.googleapis.com/";

/** The variable from which Google's storage libraries take an emulator's address. */
export const storageVariable = "STORAGE_EMULATOR_HOST";

/** The variable that the official provider reads, too, so that both always use the same server. */
export const endpointVariable = "GOOGLE_COMPUTE_CUSTOM_ENDPOINT";

const keyVariable = "GCE_CREDENTIALS_PRIVATE_KEY";
const emailVariable = "GCE_CREDENTIALS_EMAIL";
/** In order of precedence. gcloud and the official provider know the last three. */
const projectVariables = ["GCE_PROJECT", "GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"];

/**
 * Reads the environment.
 * @param environment Usually `process.env`.
 * @throws UserError that names the variable if a service account is incomplete or its key is invalid.
 */
export function readGceEnvironment(environment: NodeJS.ProcessEnv): GceEnvironment {
  const given = environment[endpointVariable] || publicEndpoint;
  const project = projectVariables.map((name) => environment[name]).find(Boolean);
  const serviceAccount = readServiceAccount(environment);
  const storage = environment[storageVariable] || publicStorage;
  const endpoint = given.endsWith("/") ? given : `${given}/`;
  return {
    ...(serviceAccount && { serviceAccount }),
    ...(project && { project }),
    endpoint,
    storage: storage.endsWith("/") ? storage : `${storage}/`,
    ...(environment[endpointVariable] && { custom: endpoint }),
    // The real API is never served without TLS.
    emulator: given.startsWith("http://"),
  };
}

/**
 * The service account in the format of Google's libraries: the JSON of a key file.
 * @param project The project's id.
 */
export function credentialsJson({ email, privateKey }: ServiceAccount, project: string): string {
  const fixed = { type: "service_account", token_uri: "https://oauth2.googleapis.com/token" };
  return JSON.stringify({ ...fixed, project_id: project, client_email: email, private_key: privateKey });
}

function readServiceAccount(environment: NodeJS.ProcessEnv): ServiceAccount | undefined {
  const [email, written] = [environment[emailVariable], environment[keyVariable]];
  if (!email && !written) return undefined;
  if (!email || !written) {
    const [missing, there] = email ? [keyVariable, emailVariable] : [emailVariable, keyVariable];
    throw new UserError({
      where: `environment variable ${missing}`,
      found: `not set, but ${there} is`,
      cure: "set both to log in as a service account, or none to use application default credentials",
    });
  }
  // CI systems keep variables on one line, with \n written out, as in a key file's JSON.
  const privateKey = written.replaceAll("\\n", "\n");
  if (!/^-----BEGIN (RSA )?PRIVATE KEY-----\n[\s\S]+\n-----END (RSA )?PRIVATE KEY-----\s*$/.test(privateKey.trim())) {
    throw new UserError({
      where: `environment variable ${keyVariable}`,
      found: "no private key",
      allowed: "the `private_key` of a service account's JSON key file; line breaks may be written as \\n",
    });
  }
  return { email, privateKey };
}
