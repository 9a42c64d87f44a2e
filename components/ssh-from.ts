// Who may reach the machines of a bake by SSH: nobody but the computer that bakes, unless the stack says otherwise.
import { call } from "./call.ts";
import type { Settings } from "./settings.ts";

/**
 * The addresses that SSH is open to, in CIDR form. Ask in `preflight`, when a bake is about to be declared: finding one's
 * own address takes a call to a server on the internet.
 * @throws UserError when the stack does not say, and no server told us our address.
 */
export async function findSshFrom({ sshFrom }: Pick<Settings, "sshFrom">): Promise<string[]> {
  if (sshFrom !== undefined) return sshFrom;
  const { address } = await call<{ address: string }>("ci-images:index:ownAddress", {});
  return [address.includes(":") ? `${address}/128` : `${address}/32`];
}
