// What Google documents of Compute Engine beside the discovery document, as the fake keeps it: for each rule what it says and where that
// stands. Those with `refuses` judge requests; the others are kept where the fake does what they speak of.
import { Refused, type Call } from "./http.ts";

/** One documented rule. */
export interface Rule {
  says: string;
  source: string;
  /** @returns what the API says of a request that breaks the rule. */
  refuses?: (call: Call) => Refused | undefined;
}

const reference = "https://cloud.google.com/compute/docs";

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
    source: "https://cloud.google.com/vpc/docs/add-remove-network-tags",
    refuses: ({ body: { tags } }) => {
      const { items = [] } = (tags ?? {}) as { items?: string[] };
      if (items.length > 64) return invalid("tags", "more than 64");
      const wrong = items.find((tag) => !/^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/.test(tag));
      return wrong === undefined ? undefined : invalid("tags.items", wrong);
    },
  },
  description: {
    says: "An image's description has 2048 characters at most",
    source: `${reference}/reference/rest/v1/images`,
    refuses: ({ body: { description } }) =>
      typeof description === "string" && description.length > 2048 ? invalid("description", description) : undefined,
  },
  metadata: {
    says: "A metadata value has 262,144 bytes at most, all entries together 524,288; keys are letters, digits, _ and -, 128 at most",
    source: `${reference}/metadata/overview`,
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
    source: `${reference}/instances/limit-vm-runtime`,
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
    source: `${reference}/instances/create-use-spot`,
    refuses: ({ body: { scheduling } }) => {
      const { provisioningModel, automaticRestart, onHostMaintenance } = (scheduling ?? {}) as Record<string, unknown>;
      if (provisioningModel !== "SPOT") return undefined;
      if (automaticRestart !== false)
        return invalid("scheduling.automaticRestart", `${automaticRestart === undefined}`);
      return onHostMaintenance === "TERMINATE"
        ? undefined
        : invalid("scheduling.onHostMaintenance", String(onHostMaintenance));
    },
  },
  requestId: {
    says: "A request id is a UUID, and not the one of zeros",
    source: `${reference}/reference/rest/v1/instances/insert`,
    refuses: ({ query }) => {
      const id = query.get("requestId");
      const right = id === null || (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id) && /[1-9a-f]/i.test(id));
      return right ? undefined : invalid("requestId", id);
    },
  },
  fingerprints: {
    says: "Labels, network tags and metadata are set against the fingerprint that they had when they were read; another one is a 412",
    source: `${reference}/reference/rest/v1/instances/setLabels`,
  },
  termination: {
    says: "The time at which a machine ends is counted from its start. Stopping it takes the time away: it then stays as it is",
    source: `${reference}/instances/limit-vm-runtime`,
  },
  lateFailures: {
    says: "A change is accepted first. Its operation may still end in an error: DONE, with `error` and `httpErrorStatusCode`",
    source: `${reference}/api/how-tos/api-requests-responses`,
  },
  notReady: {
    says: "A disk that is not READY yet, or an image, can't be made use of: RESOURCE_NOT_READY",
    source: `${reference}/troubleshooting/troubleshooting-resource-errors`,
  },
  addresses: {
    says: "A public address that was not reserved is given back when its machine stops",
    source: `${reference}/ip-addresses/configure-static-external-ip-address`,
  },
  inheritance: {
    says: "An image has the guest OS features of the disk that it is made of, and those that the request adds",
    source: `${reference}/images/create-custom#guest-os-features`,
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
