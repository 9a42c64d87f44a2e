// Our identity for Google: a service account from the environment, or application default credentials.
import { UserError } from "../../../common/user-error.ts";
import type { GceEnvironment } from "../facts/environment.ts";

/** An identity that requests are signed with. */
export interface Identity {
  /** For people: the service account's address, or `application default credentials`. */
  readonly who: string;
  /** The headers that a request needs; fetches a token if there is none or it is about to expire. */
  headers(): Promise<Record<string, string>>;
  /** The project that the credentials belong to, if known. */
  project(): Promise<string | undefined>;
}

const scopes = {
  compute: "https://www.googleapis.com/auth/compute",
  storage: "https://www.googleapis.com/auth/devstorage.read_write",
};

const cure =
  "run `gcloud auth application-default login`, name a key file in GOOGLE_APPLICATION_CREDENTIALS, or set GCE_CREDENTIALS_EMAIL and GCE_CREDENTIALS_PRIVATE_KEY";

/** A request for a token that failed. */
export class LoginError extends UserError {
  /** True if the same request may soon succeed: no answer, or trouble at Google. */
  readonly mayPass: boolean;

  constructor(who: string, reason: Error) {
    const { config, response } = reason as Error & { config?: object; response?: { status: number } };
    // Without a request, there are no credentials.
    const mayPass =
      config !== undefined &&
      (response === undefined || [408, 429].includes(response.status) || response.status >= 500);
    const advice = mayPass ? `check the network and try again; if Google can be reached, ${cure}` : cure;
    super({ where: `Google Cloud, ${who}`, found: reason.message, cure: advice });
    this.mayPass = mayPass;
  }
}

/** Identities, cached because each one fetches its own token. */
const identities = new Map<string, Promise<Identity>>();

/**
 * Finds the identity. Loads Google's library only here, because other stacks never need it.
 * @param service The service to get access to.
 * @throws LoginError from its methods if there are no credentials, or Google refuses them or doesn't answer.
 */
export async function findIdentity(
  { serviceAccount, emulator }: GceEnvironment,
  service: keyof typeof scopes = "compute",
): Promise<Identity> {
  if (emulator) return { who: "nobody (an emulator)", headers: async () => ({}), project: async () => undefined };
  const key = JSON.stringify([service, serviceAccount, process.env.GOOGLE_APPLICATION_CREDENTIALS]);
  const found = identities.get(key) ?? openIdentity(serviceAccount, service);
  identities.set(key, found);
  return await found;
}

async function openIdentity(
  serviceAccount: GceEnvironment["serviceAccount"],
  service: keyof typeof scopes,
): Promise<Identity> {
  const { GoogleAuth } = await import("google-auth-library");
  const credentials = serviceAccount && {
    type: "service_account",
    client_email: serviceAccount.email,
    private_key: serviceAccount.privateKey,
  };
  const auth = new GoogleAuth({ scopes: [scopes[service]], ...(credentials && { credentials }) });
  const who = serviceAccount?.email ?? "application default credentials";
  const asking = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw new LoginError(who, error as Error);
    }
  };
  return {
    who,
    headers: () => asking(async () => Object.fromEntries(await auth.getRequestHeaders())),
    async project() {
      try {
        return await auth.getProjectId();
      } catch {
        // The library throws the same plain error for "no project" and "no credentials". The caller asks for a project,
        // and the first request reports what is wrong with the credentials.
        return undefined;
      }
    },
  };
}
