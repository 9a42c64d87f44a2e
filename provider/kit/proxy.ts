// The bastion in the inputs of resources that connect to a machine, or keep how to.

/** A bastion, as common/ssh-dial.mjs takes it. */
export interface Proxy {
  host: string;
  port: number;
  user: string;
  hostKey: string;
  /** Without one, the SSH agent is asked. */
  privateKey?: string;
  dialErrorLimit: number;
  /** Seconds. */
  perDialTimeout: number;
}

/** The schema of an input that is a {@link Proxy}. */
export const proxySchema = {
  type: "object",
  additionalProperties: false,
  properties: {
    host: { type: "string" },
    port: { type: "integer" },
    user: { type: "string" },
    hostKey: { type: "string" },
    privateKey: { type: "string" },
    dialErrorLimit: { type: "integer" },
    perDialTimeout: { type: "integer" },
  },
  required: ["host", "port", "user", "hostKey", "dialErrorLimit", "perDialTimeout"],
} as const;
