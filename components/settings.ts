// The stack's settings: the keys of Pulumi.<stack>.yaml under `ci-images:`, read once and checked whole.
import * as pulumi from "@pulumi/pulumi";
import { Ajv } from "ajv";
import { UserError, type Complaint } from "../common/user-error.ts";
import { durationForm, parseDuration } from "../provision/sizes.ts";
import { nearest } from "../provision/nearest.ts";

/** How finished images are verified. */
export interface Verify {
  /** False publishes images that nobody has seen booting. */
  enabled: boolean;
  /** What the `local` cloud boots them with. */
  firmware: "uefi" | "bios";
}

export interface Settings {
  /** Which cloud the stack is for: `local`, `ec2`, `gce`, `rackspace`. */
  cloud: string;
  /** The recipe's path, relative to the project. */
  recipe: string;
  /** Distributions to bake instead of the recipe's own. */
  distributions?: string[];
  /** How many generations stay beside the newest. */
  keep: number;
  /** Seconds after which a machine of a bake ends itself. */
  maxLifetimeSeconds: number;
  verify: Verify;
  /** Where `local` keeps images, relative to the project. */
  imageDirectory: string;
  /** A mirror URL for each distribution (`debian`, `ubuntu`) that is not to come from where this computer's packages come from. */
  mirrors: Record<string, string>;
  /** A folder with modules of one's own, relative to the project. */
  modules?: string;
  /** Values for `{ secret: NAME }`, as the stack has them. */
  secrets?: unknown;
}

const schema = {
  type: "object",
  additionalProperties: false,
  properties: {
    cloud: { enum: ["local"], default: "local" },
    recipe: { type: "string", default: "provision/recipes/jenkins-worker.yaml" },
    distributions: { type: "array", items: { type: "string" }, minItems: 1 },
    keep: { type: "integer", minimum: 0, default: 1 },
    maxLifetime: { type: "string", default: "4 hours" },
    verify: {
      anyOf: [
        { type: "boolean" },
        {
          type: "object",
          additionalProperties: false,
          properties: { enabled: { type: "boolean" }, firmware: { enum: ["uefi", "bios"] } },
        },
      ],
      default: true,
    },
    imageDirectory: { type: "string", default: "images" },
    mirrors: { type: "object", additionalProperties: { type: "string", pattern: "^https?://" }, default: {} },
    modules: { type: "string" },
    secrets: { type: "object", additionalProperties: { type: "string" } },
  },
};

/** The names of all settings; docs/settings.md describes each. */
export const settingNames = Object.keys(schema.properties);

/**
 * Reads the settings of the selected stack.
 * @throws UserError with every wrong key together.
 */
export function readSettings(): Settings {
  const prefix = `${pulumi.getProject()}:`;
  const text = Object.entries(pulumi.runtime.allConfig()).filter(([key]) => key.startsWith(prefix));
  return checkSettings(
    `Pulumi.${pulumi.getStack()}.yaml`,
    prefix,
    Object.fromEntries(text.map(([key, value]) => [key.slice(prefix.length), parse(value)])),
  );
}

/**
 * Checks settings and fills in the defaults.
 * @param where The file that they stand in, for messages.
 * @param prefix Stands before every key there: `ci-images:`.
 * @throws UserError with every wrong key together.
 */
export function checkSettings(where: string, prefix: string, found: Record<string, unknown>): Settings {
  const validate = new Ajv({ allErrors: true, useDefaults: true, allowUnionTypes: true }).compile(schema);
  const values = structuredClone(found);
  const complaints: Complaint[] = [];
  if (!validate(values)) {
    for (const error of validate.errors!.filter(({ keyword }) => keyword !== "anyOf")) {
      const path = error.instancePath.slice(1).split("/");
      const [key] = path;
      if (error.keyword === "additionalProperties" && key === "") {
        const unknown = (error.params as { additionalProperty: string }).additionalProperty;
        const near = nearest(unknown, Object.keys(schema.properties));
        complaints.push({
          where,
          key: prefix + unknown,
          found: "no such setting",
          allowed: Object.keys(schema.properties).join(", "),
          cure: near && `did you mean ${prefix}${near}?`,
        });
      } else {
        const given = key === "secrets" ? "a value" : JSON.stringify(found[key]);
        const allowed = (error.params as { allowedValues?: string[] }).allowedValues;
        const message = allowed ? `one of ${allowed.join(", ")}` : error.message;
        complaints.push({ where, key: prefix + path.join("."), found: given, allowed: message });
      }
    }
  }
  if (complaints.length > 0) throw new UserError(...complaints);
  const { maxLifetime, verify, ...rest } = values as unknown as Settings & { maxLifetime: string; verify: unknown };
  const seconds = parseDuration(maxLifetime);
  if (seconds === undefined || seconds < 60) {
    throw new UserError({
      where,
      key: `${prefix}maxLifetime`,
      found: JSON.stringify(maxLifetime),
      allowed: `at least one minute: ${durationForm}`,
    });
  }
  const defaults: Verify = { enabled: true, firmware: "uefi" };
  const wanted = typeof verify === "boolean" ? { enabled: verify } : (verify as Partial<Verify>);
  return { ...rest, maxLifetimeSeconds: seconds, verify: { ...defaults, ...wanted } };
}

/** Pulumi hands every value over as text; objects, numbers and booleans are JSON in it. */
function parse(value: string): unknown {
  if (!/^(\{.*\}|\[.*\]|true|false|\d+)$/s.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    // Text that only looks like JSON is judged as text.
    return value;
  }
}
