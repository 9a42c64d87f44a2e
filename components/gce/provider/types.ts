// The fields of the Compute API's resources that we read; https://cloud.google.com/compute/docs/reference/rest/v1.

/** A change in progress. */
export interface Operation {
  name: string;
  status: "PENDING" | "RUNNING" | "DONE";
  operationType?: string;
  targetLink?: string;
  /** Present when it failed. */
  error?: { errors?: ApiProblem[] };
  httpErrorStatusCode?: number;
  /** The URL of the zone; operations without one are global. */
  zone?: string;
}

export interface ApiProblem {
  code?: string;
  reason?: string;
  message?: string;
}

interface Labelled {
  name: string;
  /** A number that is never reused. */
  id: string;
  selfLink: string;
  labels?: Record<string, string>;
  labelFingerprint?: string;
  description?: string;
  /** RFC 3339. */
  creationTimestamp: string;
}

export interface Instance extends Labelled {
  /** PROVISIONING, STAGING, RUNNING, STOPPING, SUSPENDING, SUSPENDED, REPAIRING, TERMINATED. */
  status: string;
  zone: string;
  disks?: { source?: string; boot?: boolean; autoDelete?: boolean }[];
  networkInterfaces?: { networkIP?: string; accessConfigs?: { natIP?: string }[] }[];
  metadata?: { items?: { key: string; value?: string }[]; fingerprint?: string };
}

export interface Disk extends Labelled {
  /** CREATING, RESTORING, FAILED, READY, DELETING. */
  status: string;
  zone: string;
  /** URLs of the instances that it is attached to. */
  users?: string[];
  sizeGb?: string;
}

export interface Image extends Labelled {
  /** PENDING, READY, FAILED, DELETING. */
  status: string;
  family?: string;
  /** The size of a disk made from it. */
  diskSizeGb?: string;
  architecture?: "X86_64" | "ARM64" | "ARCHITECTURE_UNSPECIFIED";
  guestOsFeatures?: { type: string }[];
  deprecated?: { state?: "DEPRECATED" | "OBSOLETE" | "DELETED" | "ACTIVE"; replacement?: string };
  sourceDisk?: string;
}

/** The last part of a URL: a resource's name. */
export function nameOf(url: string): string {
  return url.slice(url.lastIndexOf("/") + 1);
}

/** A filter on labels: https://cloud.google.com/compute/docs/reference/rest/v1/images/list (filter). */
export function labelFilter(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `(labels.${key} = "${value}")`)
    .join(" ");
}
