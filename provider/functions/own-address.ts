// This computer's address as the internet sees it: what a cloud's firewall must let in.
import { isIP } from "node:net";
import { UserError } from "../../common/user-error.ts";
import type { FunctionType } from "../resource.ts";

/** Servers that answer with the caller's address and nothing else; the first that does wins. */
const servers = ["https://checkip.amazonaws.com", "https://api.ipify.org", "https://icanhazip.com"];

/** Milliseconds that a server may take. */
const patience = 5000;

/**
 * Asks servers in turn for our address.
 * @param urls Where to ask.
 * @throws UserError that says what each answered when none gave an address.
 */
export async function askOwnAddress(urls: readonly string[], signal?: AbortSignal): Promise<string> {
  const answers: string[] = [];
  for (const url of urls) {
    const limits = [AbortSignal.timeout(patience), ...(signal ? [signal] : [])];
    try {
      const response = await fetch(url, { signal: AbortSignal.any(limits) });
      const text = (await response.text()).trim();
      if (response.ok && isIP(text) !== 0) return text;
      answers.push(`${url}: ${response.status} ${JSON.stringify(text.slice(0, 40))}`);
    } catch (error) {
      signal?.throwIfAborted();
      const { message, cause } = error as Error;
      answers.push(`${url}: ${cause instanceof Error ? cause.message : message}`);
    }
  }
  throw new UserError({
    where: "stack setting ci-images:sshFrom",
    found: `not set, and this computer's public address could not be found (${answers.join("; ")})`,
    cure: "say who may reach the builders: npx pulumi config set --path 'ci-images:sshFrom[0]' 203.0.113.7/32",
  });
}

/** `ci-images:index:ownAddress`. CI_IMAGES_ADDRESS_SERVER names another server to ask, for networks that have their own. */
export const ownAddress: FunctionType<object, { address: string }> = {
  token: "ci-images:index:ownAddress",
  async call(_inputs, { signal }) {
    const own = process.env.CI_IMAGES_ADDRESS_SERVER;
    return { address: await askOwnAddress(own ? [own] : servers, signal) };
  },
};
