// Compute Engine's documented rules that are not in the discovery document. Rules with `refuses` check requests; the
// fake implements the others in the code that they concern.
import { Refused, type Call } from "./http.ts";

/**
 * A documented rule. `source` is a page, or a field's description in the discovery document
 * (test/emulators/google-discovery.ts).
 */
export interface Rule {
  says: string;
  source: string;
  /** @returns the API's refusal if the request breaks the rule. */
  refuses?: (call: Call) => Refused | undefined;
}

const reference = "https://cloud.google.com/compute/docs";
const provider =
  "https://github.com/hashicorp/terraform-provider-google-beta/blob/v7.45.0/google-beta/services/compute";

/** Rules by topic. */
export const rules = {
  labels: {
    says: "At most 64 labels; keys begin with a letter; keys and values have at most 63 lower-case letters, digits, _ and -",
    source: `${reference}/labeling-resources`,
    refuses: ({ body }) => {
      for (const labels of labelsIn(body)) {
        if (Object.keys(labels).length > 64) return invalid("labels", "more than 64");
        for (const [key, value] of Object.entries(labels)) {
          if (!/^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u.test(key)) return invalid("labels", key);
          if (!/^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u.test(value)) return invalid("labels", value);
        }
      }
      return undefined;
    },
  },
  tags: {
    says: "At most 64 network tags, each with at most 63 lower-case letters, digits and -, no digit or - first and no - last",
    source: "https://cloud.google.com/vpc/docs/add-remove-network-tags (Limits); discovery document, Tags.items",
    refuses: ({ body: { tags } }) => {
      const { items = [] } = (tags ?? {}) as { items?: string[] };
      if (items.length > 64) return invalid("tags", "more than 64");
      const wrong = items.find((tag) => !/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(tag));
      return wrong === undefined ? undefined : invalid("tags.items", wrong);
    },
  },
  description: {
    says: "An image's description has at most 2048 characters",
    source: "not documented by Google, as far as we know; the API's error: 'too large: maximum size 2048 character(s)'",
    refuses: ({ body: { description } }) =>
      typeof description === "string" && description.length > 2048 ? invalid("description", description) : undefined,
  },
  metadata: {
    says: "A metadata value has at most 262,144 bytes, all entries together 524,288; keys have at most 128 letters, digits, _ and -",
    source: "discovery document, Metadata.items (512 KB), its key and value",
    refuses: ({ body: { metadata } }) => {
      const { items = [] } = (metadata ?? {}) as { items?: { key: string; value?: string }[] };
      const size = (text = "") => Buffer.byteLength(text);
      const wrong = items.find(({ key, value }) => !/^[\w-]{1,128}$/.test(key) || size(value) > 262_144);
      if (wrong) return invalid("metadata.items", wrong.key);
      const total = items.reduce((sum, { key, value }) => sum + size(key) + size(value), 0);
      return total > 524_288 ? invalid("metadata", `${total} bytes`) : undefined;
    },
  },
  runDuration: {
    says: "A machine's run duration is between 30 seconds and 120 days, and requires a termination action",
    source: `${reference}/instances/limit-vm-runtime (Restrictions)`,
    refuses: ({ body }) => {
      const { maxRunDuration, instanceTerminationAction } = (body.scheduling ?? {}) as Record<string, unknown>;
      if (maxRunDuration === undefined) return undefined;
      const seconds = Number((maxRunDuration as { seconds?: string }).seconds);
      if (!(seconds >= 30 && seconds <= 120 * 86_400)) return invalid("scheduling.maxRunDuration", String(seconds));
      return instanceTerminationAction === undefined
        ? invalid("scheduling.instanceTerminationAction", "none")
        : undefined;
    },
  },
  spot: {
    says: "A spot machine is neither restarted automatically nor migrated to another host",
    source: `discovery document, Scheduling.automaticRestart and .onHostMaintenance; ${reference}/instances/create-use-spot`,
    refuses: ({ body: { scheduling } }) => {
      const { provisioningModel, automaticRestart, onHostMaintenance } = (scheduling ?? {}) as Record<string, unknown>;
      if (provisioningModel !== "SPOT") return undefined;
      // Both may be omitted: a spot machine's defaults are also the only allowed values.
      if (automaticRestart === true) return invalid("scheduling.automaticRestart", "true");
      return onHostMaintenance === undefined || onHostMaintenance === "TERMINATE"
        ? undefined
        : invalid("scheduling.onHostMaintenance", JSON.stringify(onHostMaintenance));
    },
  },
  requestId: {
    says: "A request id is a UUID, but not the all-zero one",
    source: "discovery document, instances.insert (requestId)",
    refuses: ({ query }) => {
      const id = query.get("requestId");
      const right = id === null || (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id) && /[1-9a-f]/i.test(id));
      return right ? undefined : invalid("requestId", id);
    },
  },
  fingerprints: {
    says: "Labels, network tags and metadata are set with the fingerprint from the last read; an outdated fingerprint is a 412",
    source: "discovery document, Image.labelFingerprint, Tags.fingerprint, Metadata.fingerprint",
  },
  termination: {
    says: "A machine's run duration counts from its start. Stopping the machine clears it, so that the machine stays",
    source: `${reference}/instances/limit-vm-runtime ("automatically cleared whenever a VM is stopped or suspended")`,
  },
  lateFailures: {
    says: "An accepted change can still fail: its operation ends as DONE with `error` and `httpErrorStatusCode`",
    source: `discovery document, Operation.error and .httpErrorStatusCode; ${reference}/api/how-tos/api-requests-responses`,
  },
  notReady: {
    says: "A disk or image that is not READY yet can't be used: RESOURCE_NOT_READY",
    source: `discovery document, Disk.status and Image.status ("only after ... READY"); the code: ${provider}/compute_operation.go`,
  },
  beingMade: {
    says: "While an image is made, it can't be deleted, nor can its source disk",
    source: "https://github.com/hashicorp/packer/issues/6887; discovery document, Image.status (PENDING)",
  },
  addresses: {
    says: "A machine loses an ephemeral public address when it stops",
    source: `${reference}/ip-addresses (ephemeral addresses)`,
  },
  inheritance: {
    says: "An image has the guest OS features of its source disk and those that the request adds",
    source: `guest_os_features is computed in ${provider}/resource_compute_image.go; hashicorp/packer-plugin-googlecompute#332`,
  },
} satisfies Record<string, Rule>;

/** The refusal by the first rule that a request breaks, if any. */
export function broken(call: Call): Refused | undefined {
  if (call.method === "GET") return undefined;
  for (const { refuses } of Object.values<Rule>(rules)) {
    const refusal = refuses?.(call);
    if (refusal) return refusal;
  }
  return undefined;
}

/** Labels of the resource itself, and of disks that are created with a machine. */
function labelsIn(body: Call["body"]): Record<string, string>[] {
  const disks = (body.disks ?? []) as { initializeParams?: { labels?: Record<string, string> } }[];
  const all = [
    body.labels as Record<string, string> | undefined,
    ...disks.map((disk) => disk.initializeParams?.labels),
  ];
  return all.filter((labels) => labels !== undefined);
}

function invalid(field: string, value: string): Refused {
  return new Refused(400, "invalid", `Invalid value for field 'resource.${field}': '${value.slice(0, 100)}'.`);
}
