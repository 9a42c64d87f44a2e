// Who we are to Google: a service account from the environment, or application default credentials.
import { UserError } from "../../../common/user-error.ts";
import type { GceEnvironment } from "../facts/environment.ts";

/** An identity that requests are signed with. */
export interface Identity {
  /** For people: the service account's address, or how else we log in. */
  readonly who: string;
  /** The headers that a request needs; a token is fetched when there is none or it is about to expire. */
  headers(): Promise<Record<string, string>>;
  /** The project that the credentials belong to, when they know one. */
  project(): Promise<string | undefined>;
}

const scopes = {
  compute: "https://www.googleapis.com/auth/compute",
  storage: "https://www.googleapis.com/auth/devstorage.read_write",
};

const cure =
  "run `gcloud auth application-default login`, name a key file in GOOGLE_APPLICATION_CREDENTIALS, or set GCE_CREDENTIALS_EMAIL and GCE_CREDENTIALS_PRIVATE_KEY";

/**
 * Finds the identity. The library is loaded here and not before: other stacks never need it.
 * @param service What it is to be allowed to use.
 * @throws UserError from its methods when there are no credentials, or Google refuses them.
 */
export async function findIdentity(
  { serviceAccount, emulator }: GceEnvironment,
  service: keyof typeof scopes = "compute",
): Promise<Identity> {
  if (emulator) return { who: "nobody (an emulator)", headers: async () => ({}), project: async () => undefined };
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
      throw new UserError({ where: `Google Cloud, ${who}`, found: (error as Error).message, cure });
    }
  };
  return {
    who,
    headers: () => asking(async () => Object.fromEntries(await auth.getRequestHeaders())),
    async project() {
      try {
        return await auth.getProjectId();
      } catch {
        // The library throws the same plain error for "no project" and "no credentials"; the caller asks for a project, and
        // the first request says what is wrong with the credentials.
        return undefined;
      }
    },
  };
}
