// How to log in to a machine of a bake, kept in the state for people and the project's command line: whatever the cloud, and
// also while a bake has failed. Nothing is made; the record goes when the machine's records go.
import type { ResourceType } from "../resource.ts";
import { proxySchema, type Proxy } from "../kit/proxy.ts";

export interface LoginInputs {
  /** The worker image that the machine belongs to: `debian12`. */
  worker: string;
  /** The recipe hash. */
  recipe: string;
  host: string;
  port: number;
  user: string;
  /** OpenSSH format. */
  privateKey: string;
  /** The only host key to accept: `ssh-ed25519 AAAA...`. */
  hostKey: string;
  power: "on" | "off";
  /** The bastion that connections go through. */
  proxy?: Proxy;
  /** Makes one connection to the machine by its standard input and output: what `host` and `port` are only during a command of Pulumi's. */
  tunnel?: string[];
}

/** `ci-images:index:Login`. */
export const login: ResourceType<LoginInputs, LoginInputs> = {
  token: "ci-images:index:Login",
  inputs: {
    type: "object",
    properties: {
      worker: { type: "string" },
      recipe: { type: "string" },
      host: { type: "string" },
      port: { type: "integer" },
      user: { type: "string" },
      privateKey: { type: "string" },
      hostKey: { type: "string" },
      power: { enum: ["on", "off"] },
      proxy: proxySchema,
      tunnel: { type: "array", items: { type: "string" } },
    },
    required: ["worker", "recipe", "host", "port", "user", "privateKey", "hostKey", "power"],
  },
  replaceOn: ["worker", "recipe"],
  secretOutputs: ["privateKey", "proxy"],
  async create(inputs) {
    return { id: `${inputs.worker}-${inputs.recipe.slice(0, 8)}`, outputs: inputs };
  },
  async update(_id, _state, inputs) {
    return inputs;
  },
};
