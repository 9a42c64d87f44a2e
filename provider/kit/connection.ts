// A connection by SSH to a machine of a bake.
import type { Proxy } from "../../components/shared/contract.ts";

/** How to reach a machine by SSH. */
export interface Connection {
  host: string;
  port: number;
  user: string;
  /** One authorized_keys line: `ssh-ed25519 AAAA...`. The only key accepted from the machine. */
  hostKey: string;
  /** The bastion that connections go through. */
  proxy?: Proxy;
}
