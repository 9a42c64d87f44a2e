// Rules that AWS documents beside its API model. Those that hold in every account are on by default; tests can turn
// rules on and off:
//
//   cloud.api.rules.on.add("deny IMDSv1")
import type { Refusal } from "./service-model.ts";

/** Rules with their sources. Paths without a host are below docs.aws.amazon.com/AWSEC2/latest. */
export const sources = {
  // "You can't specify a date in the past. The upper limit for DeprecateAt is 10 years from now".
  "deprecation dates": "APIReference/API_EnableImageDeprecation.html",
  // "the deprecated AMI does not appear in DescribeImages API calls unless you specify its ID or specify that
  // deprecated AMIs must appear. AMI owners continue to see deprecated AMIs".
  "hidden deprecated images": "UserGuide/ami-deprecate.html",
  // Instances start from `stopped`, stop from `running`, and terminate from any state.
  "instance states": "UserGuide/ec2-instance-lifecycle.html",
  // "from an Amazon EBS-backed instance that is either running or stopped".
  "images of settled instances": "APIReference/API_CreateImage.html",
  // InvalidAMIID.Unavailable: "The specified AMI has been deregistered and is no longer available, or is not in a state
  // from which you can launch an instance or modify attributes".
  "available images only": "APIReference/errors-overview.html",
  // "persistent Spot Instance requests are only supported when the instance interruption behavior is either hibernate
  // or stop"; "For a one-time request, ValidUntil is not supported".
  "spot requests": "APIReference/API_SpotMarketOptions.html",
  // Owners can stop and start only instances of persistent requests: section "Stop a Spot Instance". "Only Amazon EC2
  // can restart an interrupted stopped Spot Instance": UserGuide/interruption-behavior.html.
  "spot power": "UserGuide/using-spot-instances-request.html",
  // An instance terminated while its persistent request is open is launched again: section "Terminate a Spot Instance".
  // "If you cancel a Spot Instance request, [...] Amazon EC2 terminates any associated Spot Instances that are
  // stopped": UserGuide/interruption-behavior.html.
  "spot requests last": "UserGuide/using-spot-instances-request.html",
  // A network interface's setting wins; without one, the subnet's MapPublicIpOnLaunch applies.
  "public addresses": "UserGuide/using-instance-addressing.html",
  // After EnableEbsEncryptionByDefault, volumes of new instances are encrypted, whatever the request says.
  "encryption by default": "APIReference/API_EnableEbsEncryptionByDefault.html",

  // "Maximum value length – 256 Unicode characters".
  "tag lengths": "UserGuide/Using_Tags.html",

  // From here on, rules are off by default.
  // "the result of an API command you run that creates or modifies resources might not be immediately available to all
  // subsequent commands".
  "eventual consistency": "https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html",
  // Service control policies that many organizations have: ec2:MetadataHttpTokens, ec2:Encrypted.
  "deny IMDSv1":
    "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_examples_ec2.html",
  "deny unencrypted disks":
    "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_examples_ec2.html",
} as const;

export type Rule = keyof typeof sources;

const optional: readonly Rule[] = ["eventual consistency", "deny IMDSv1", "deny unencrypted disks"];

/** The rules that are on, and checks that only need the request. */
export class Rules {
  readonly on = new Set((Object.keys(sources) as Rule[]).filter((rule) => !optional.includes(rule)));
  /** Ids of new resources that nobody has looked at yet. */
  private readonly unseen = new Set<string>();

  /** Resets all rules to their defaults. */
  reset(): void {
    for (const rule of Object.keys(sources) as Rule[]) {
      if (optional.includes(rule)) this.on.delete(rule);
      else this.on.add(rule);
    }
    this.unseen.clear();
  }

  /** The refusal of a request that breaks a rule. @param isEncrypted Whether the account encrypts by default. */
  refusalOf(action: string, parameters: URLSearchParams, isEncrypted: boolean): Refusal | undefined {
    const tags = [...parameters].filter(([key]) => /(^|\.)Tag\.\d+\.Value$/.test(key));
    if (this.on.has("tag lengths") && tags.some(([, value]) => value.length > 256)) return longTag;
    if (action === "EnableImageDeprecation" && this.on.has("deprecation dates")) {
      return dateRefusal(new Date(parameters.get("DeprecateAt") ?? ""));
    }
    if (action !== "RunInstances") return undefined;
    if (this.on.has("deny IMDSv1") && parameters.get("MetadataOptions.HttpTokens") !== "required") return denied;
    const encrypts = isEncrypted || parameters.get("BlockDeviceMapping.1.Ebs.Encrypted") === "true";
    if (this.on.has("deny unencrypted disks") && !encrypts) return denied;
    return this.on.has("spot requests") ? spotRefusal(parameters) : undefined;
  }

  /** Hides new resources from the first look, if the API is eventually consistent. */
  made(ids: readonly string[]): void {
    if (this.on.has("eventual consistency")) for (const id of ids) this.unseen.add(id);
  }

  /** Looks at resources. @returns ids that are not visible yet. */
  look(ids: readonly string[]): string[] {
    return ids.filter((id) => this.unseen.delete(id));
  }
}

/** EC2's error for a resource that does not exist or is not visible yet. */
export function notFound(id: string): Refusal {
  const kinds: Record<string, [code: string, name: string]> = {
    i: ["InvalidInstanceID.NotFound", "instance ID"],
    ami: ["InvalidAMIID.NotFound", "image id"],
    sg: ["InvalidGroup.NotFound", "security group"],
  };
  const [code, name] = kinds[id.split("-")[0]] ?? ["InvalidID", "ID"];
  return { code, message: `The ${name} '${id}' does not exist` };
}

const denied = {
  code: "UnauthorizedOperation",
  message:
    "You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/baker is not authorized to perform: " +
    "ec2:RunInstances on resource: arn:aws:ec2:eu-central-1:123456789012:instance/* with an explicit deny in a service control policy.",
};

const longTag = {
  code: "InvalidParameterValue",
  message: "Tag value exceeds the maximum length of 256 characters",
};

const day = 86_400_000;

function dateRefusal(date: Date): Refusal | undefined {
  const wrong = (message: string) => ({ code: "InvalidParameterValue", message });
  if (date.getTime() < Date.now()) return wrong("You can't specify a date in the past. Specify a date in the future.");
  if (date.getTime() > Date.now() + 3653 * day) return wrong("The date can't be more than 10 years in the future.");
  return undefined;
}

function spotRefusal(parameters: URLSearchParams): Refusal | undefined {
  if (parameters.get("InstanceMarketOptions.MarketType") !== "spot") return undefined;
  const option = (name: string) => parameters.get(`InstanceMarketOptions.SpotOptions.${name}`) ?? undefined;
  const type = option("SpotInstanceType") ?? "one-time";
  const interruption = option("InstanceInterruptionBehavior") ?? "terminate";
  const until = option("ValidUntil");
  const wrong = (message: string) => ({ code: "InvalidParameterCombination", message });
  if ((type === "persistent") !== (interruption !== "terminate")) {
    return wrong(
      `The request with type '${type}' is not supported when instanceInterruptionBehavior is '${interruption}'.`,
    );
  }
  if (type === "one-time" && until !== undefined) return wrong("validUntil is not supported for one-time requests.");
  if (until !== undefined && Date.parse(until) < Date.now()) {
    return { code: "InvalidParameterValue", message: `The validUntil time ${until} is in the past.` };
  }
  return undefined;
}
