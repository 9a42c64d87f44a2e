// Refusals of the Compute API, with their cures.
import { UserError } from "../../../common/user-error.ts";
import type { ApiProblem } from "./types.ts";

/** A request or an operation that failed. */
export class ComputeError extends UserError {
  /** The HTTP status; 0 if there was no answer. */
  readonly status: number;
  /** The API's codes for the problems: `notFound`, `QUOTA_EXCEEDED`. */
  readonly codes: readonly string[];

  constructor(where: string, what: string, status: number, problems: readonly ApiProblem[], cure: string | undefined) {
    const codes = problems.map(codeOf);
    const messages = problems.map((problem) => problem.message ?? codeOf(problem));
    const found = `${messages.join("; ") || "no reason was given"} (${[status || "no answer", ...codes].join(", ")})`;
    super({ where: `Compute Engine, ${where}`, key: what, found, cure });
    this.status = status;
    this.codes = codes;
  }

  /** True if the resource doesn't exist, or no longer does. */
  get isGone(): boolean {
    return this.status === 404 || this.has("notFound", "RESOURCE_NOT_FOUND");
  }

  /** True if the same request may soon succeed: throttling, server trouble, no answer. */
  get mayPass(): boolean {
    if (this.status === 0 || this.status === 429 || [500, 502, 503, 504].includes(this.status)) return true;
    return this.has("rateLimitExceeded", "userRateLimitExceeded", "resourceNotReady", "RESOURCE_NOT_READY");
  }

  /** True if somebody else changed the resource in between (wrong fingerprint). */
  get isConflict(): boolean {
    return this.status === 412 || this.has("conditionNotMet", "CONDITION_NOT_MET");
  }

  /** True if an image is being made of the disk. */
  get isUsedByImage(): boolean {
    const inUse = this.has("resourceInUseByAnotherResource", "RESOURCE_IN_USE_BY_ANOTHER_RESOURCE");
    return inUse && this.message.includes("/global/images/");
  }

  has(...codes: string[]): boolean {
    return this.codes.some((code) => codes.includes(code));
  }
}

/** The cure for a common problem. */
export function curesOf(problems: readonly ApiProblem[], status: number, who: string): string | undefined {
  const codes = problems.map(codeOf);
  const has = (pattern: RegExp) => codes.some((code) => pattern.test(code));
  if (has(/rateLimitExceeded/i)) return "run the command again in a minute: Google throttles this project's requests";
  if (has(/quota/i)) return "raise the quota or free some: https://console.cloud.google.com/iam-admin/quotas";
  if (has(/POOL_EXHAUSTED|stockout/i))
    return "try another zone (ci-images:gce.zone) or machine type (ci-images:gce.machineType)";
  if (has(/accessNotConfigured|SERVICE_DISABLED/i)) return "gcloud services enable compute.googleapis.com";
  if (status === 401) return `log in again: Google does not accept ${who}`;
  if (status === 403) return `give ${who} the roles that docs/gce.md names`;
  return undefined;
}

function codeOf({ code, reason }: ApiProblem): string {
  return code ?? reason ?? "unknown";
}
