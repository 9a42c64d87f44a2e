// What Google documents of Compute Engine beside the discovery document, as the fake keeps it: for each rule what it says and where that
// stands. Those with `refuses` judge requests; the others are kept where the fake does what they speak of.
import { Refused, type Call } from "./http.ts";

/** One documented rule. `source` is a page, or what the discovery document (test/emulators/google-discovery.ts) says of a field. */
export interface Rule {
  says: string;
  source: string;
  /** @returns what the API says of a request that breaks the rule. */
  refuses?: (call: Call) => Refused | undefined;
}

const reference = "https://cloud.google.com/compute/docs";
const provider =
  "https://github.com/hashicorp/terraform-provider-google-beta/blob/v7.45.0/google-beta/services/compute";

/** By what they are about. */
export const rules = {
  labels: {
    says: "64 labels at most; keys begin with a letter; keys and values have 63 characters at most, in lower case, digits, _ and -",
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
    says: "64 network tags at most, each of 63 characters: letters in lower case, digits and -, no digit or - first and no - last",
    source: "https://cloud.google.com/vpc/docs/add-remove-network-tags (Limits); discovery document, Tags.items",
    refuses: ({ body: { tags } }) => {
      const { items = [] } = (tags ?? {}) as { items?: string[] };
      if (items.length > 64) return invalid("tags", "more than 64");
      const wrong = items.find((tag) => !/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(tag));
      return wrong === undefined ? undefined : invalid("tags.items", wrong);
    },
  },
  description: {
    says: "An image's description has 2048 characters at most",
    source:
      "nothing of Google's that we could find; as the API refuses it: 'too large: maximum size 2048 character(s)'",
    refuses: ({ body: { description } }) =>
      typeof description === "string" && description.length > 2048 ? invalid("description", description) : undefined,
  },
  metadata: {
    says: "A metadata value has 262,144 bytes at most, all entries together 524,288; keys are letters, digits, _ and -, 128 at most",
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
    says: "A machine may be limited to 30 seconds at least and 120 days at most, and then it says what becomes of it",
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
    says: "A spot machine is neither restarted by itself nor moved to another host",
    source: `discovery document, Scheduling.automaticRestart and .onHostMaintenance; ${reference}/instances/create-use-spot`,
    refuses: ({ body: { scheduling } }) => {
      const { provisioningModel, automaticRestart, onHostMaintenance } = (scheduling ?? {}) as Record<string, unknown>;
      if (provisioningModel !== "SPOT") return undefined;
      // Neither has to be given: these are a spot machine's defaults, and the only values that it can have.
      if (automaticRestart === true) return invalid("scheduling.automaticRestart", "true");
      return onHostMaintenance === undefined || onHostMaintenance === "TERMINATE"
        ? undefined
        : invalid("scheduling.onHostMaintenance", JSON.stringify(onHostMaintenance));
    },
  },
  requestId: {
    says: "A request id is a UUID, and not the one of zeros",
    source: "discovery document, instances.insert (requestId)",
    refuses: ({ query }) => {
      const id = query.get("requestId");
      const right = id === null || (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id) && /[1-9a-f]/i.test(id));
      return right ? undefined : invalid("requestId", id);
    },
  },
  fingerprints: {
    says: "Labels, network tags and metadata are set against the fingerprint that they had when they were read; another one is a 412",
    source: "discovery document, Image.labelFingerprint, Tags.fingerprint, Metadata.fingerprint",
  },
  termination: {
    says: "The time at which a machine ends is counted from its start. Stopping it takes the time away: it then stays as it is",
    source: `${reference}/instances/limit-vm-runtime ("automatically cleared whenever a VM is stopped or suspended")`,
  },
  lateFailures: {
    says: "A change is accepted first. Its operation may still end in an error: DONE, with `error` and `httpErrorStatusCode`",
    source: `discovery document, Operation.error and .httpErrorStatusCode; ${reference}/api/how-tos/api-requests-responses`,
  },
  notReady: {
    says: "A disk that is not READY yet, or an image, can't be made use of: RESOURCE_NOT_READY",
    source: `discovery document, Disk.status and Image.status ("only after ... READY"); the code: ${provider}/compute_operation.go`,
  },
  addresses: {
    says: "A public address that was not reserved is given back when its machine stops",
    source: `${reference}/ip-addresses (ephemeral addresses)`,
  },
  inheritance: {
    says: "An image has the guest OS features of the disk that it is made of, and those that the request adds",
    source: `guest_os_features is computed in ${provider}/resource_compute_image.go; hashicorp/packer-plugin-googlecompute#332`,
  },
} satisfies Record<string, Rule>;

/** What the first broken rule says of a request. */
export function broken(call: Call): Refused | undefined {
  if (call.method === "GET") return undefined;
  for (const { refuses } of Object.values<Rule>(rules)) {
    const refusal = refuses?.(call);
    if (refusal) return refusal;
  }
  return undefined;
}

/** Those of the thing itself, and of disks that are made with a machine. */
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
