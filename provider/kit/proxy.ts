// The bastion in the inputs of resources that connect to a machine, or keep how to.
export type { Proxy } from "../../components/shared/contract.ts";

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
