// The fake Keystone (v3): issues tokens with a catalog for passwords and application credentials.
import { randomUUID } from "node:crypto";
import { Refused, type Answer } from "./http.ts";

/** The account that can log in. */
export interface Account {
  user: string;
  password: string;
  /** Name and id. */
  project: string;
  /** Name and id. */
  domain: string;
  applicationCredential: { id: string; name: string; secret: string };
}

interface Request {
  auth: {
    identity: {
      methods: string[];
      password?: { user: { name?: string; id?: string; password: string; domain?: { name?: string; id?: string } } };
      application_credential?: { id?: string; name?: string; secret: string; user?: object };
    };
    scope?: { project?: { id?: string; name?: string; domain?: { name?: string; id?: string } } };
  };
}

const services = { identity: "identity", compute: "compute", image: "image", network: "network", volume: "volumev3" };
const paths: Record<string, string> = {
  compute: "compute/v2.1",
  image: "image",
  network: "network",
  volume: "volume/v3",
};

/** Issues and checks tokens. */
export class Identity {
  private readonly tokens = new Set<string>();
  /** The number of logins so far. */
  logins = 0;

  constructor(readonly account: Account) {}

  isValid(token: unknown): boolean {
    return typeof token === "string" && this.tokens.has(token);
  }

  /** Expires all tokens. */
  expireTokens(): void {
    this.tokens.clear();
  }

  /** POST /v3/auth/tokens. */
  authenticate(body: unknown, url: string, regions: string[]): Answer {
    const { auth } = body as Request;
    this.judge(auth);
    this.logins += 1;
    const token = randomUUID();
    this.tokens.add(token);
    const expires_at = new Date(Date.now() + 3600_000).toISOString();
    const catalog = Object.entries(services).map(([name, type]) => ({
      name,
      type,
      endpoints: regions.flatMap((region) =>
        ["public", "internal"].map((face) => ({
          interface: face,
          region,
          region_id: region,
          url:
            name === "identity"
              ? `${url}/identity/v3`
              : `${url}/${region}/${paths[name]}${face === "internal" ? "/" : ""}`,
        })),
      ),
    }));
    const { project, user, domain } = this.account;
    const scope = { project: { id: project, name: project, domain: { id: domain, name: domain } } };
    return {
      status: 201,
      headers: { "x-subject-token": token },
      body: { token: { expires_at, catalog, user: { id: user, name: user }, ...scope } },
    };
  }

  private judge({ identity, scope }: Request["auth"]): void {
    const { account } = this;
    const refused = new Refused(401, "The request you have made requires authentication.");
    if (identity.methods.includes("application_credential")) {
      const given = identity.application_credential;
      const known = account.applicationCredential;
      const named = given?.id === known.id || (given?.name === known.name && given?.user !== undefined);
      if (!named || given?.secret !== known.secret) throw refused;
      if (scope) throw new Refused(401, "Application credentials cannot request a scope.");
      return;
    }
    const user = identity.password?.user;
    if ((user?.name ?? user?.id) !== account.user || user?.password !== account.password) throw refused;
    if (user.name !== undefined && (user.domain?.name ?? user.domain?.id) !== account.domain) throw refused;
    if ((scope?.project?.name ?? scope?.project?.id) !== account.project) throw refused;
    if (
      scope?.project?.name !== undefined &&
      (scope.project.domain?.name ?? scope.project.domain?.id) !== account.domain
    )
      throw refused;
  }
}
