// Clients for AWS's APIs. Loads the SDK at the first call, and turns refusals into readable errors. Credentials,
// endpoint (AWS_ENDPOINT_URL) and profile come from the environment, as for the AWS CLI.
import type { EBS } from "@aws-sdk/client-ebs";
import type { EC2 } from "@aws-sdk/client-ec2";
import type { SSM } from "@aws-sdk/client-ssm";
import { UserError } from "../../../common/user-error.ts";

/** Total attempts for a throttled or failed call; the SDK's pauses grow to 20 s. */
const attempts = 8;

// Hides the SDK's warning about Node's version, which is meant for developers.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";

const ec2Clients = new Map<string, Promise<EC2>>();
const ebsClients = new Map<string, Promise<EBS>>();
const ssmClients = new Map<string, Promise<SSM>>();

/** The EC2 API of a region. */
export function ec2(region: string): Promise<EC2> {
  return remembered(ec2Clients, region, async () => {
    const { EC2: Client } = await import("@aws-sdk/client-ec2");
    return new Client({ region, maxAttempts: attempts });
  });
}

/** The EBS direct APIs of a region: they read and write snapshots. */
export function ebs(region: string): Promise<EBS> {
  return remembered(ebsClients, region, async () => {
    const { EBS: Client } = await import("@aws-sdk/client-ebs");
    return new Client({ region, maxAttempts: attempts });
  });
}

/**
 * The Systems Manager API of a region. AWS and other publishers put the ids of their newest images in its parameters.
 */
export function ssm(region: string): Promise<SSM> {
  return remembered(ssmClients, region, async () => {
    const { SSM: Client } = await import("@aws-sdk/client-ssm");
    return new Client({ region, maxAttempts: attempts });
  });
}

/**
 * The region of the AWS configuration: AWS_REGION, AWS_DEFAULT_REGION or the profile's.
 * @throws UserError if there is none.
 */
export async function configuredRegion(): Promise<string> {
  const given = process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION;
  if (given) return given;
  const { EC2Client } = await import("@aws-sdk/client-ec2");
  try {
    return await new EC2Client({}).config.region();
  } catch (error) {
    throw new UserError({
      where: "stack setting ci-images:ec2.region",
      found: `not set, and the AWS configuration names no region (${(error as Error).message})`,
      cure: "npx pulumi config set --path ci-images:ec2.region us-west-2, or set AWS_REGION",
    });
  }
}

function remembered<T>(clients: Map<string, Promise<T>>, region: string, make: () => Promise<T>): Promise<T> {
  // A client keeps the endpoint it was made with.
  const key = `${region} ${process.env.AWS_ENDPOINT_URL}`;
  let client = clients.get(key);
  if (!client) {
    client = make();
    clients.set(key, client);
  }
  return client;
}

/** AWS's code for an error: `InvalidAMIID.NotFound`. */
export function errorCode(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

/** Whether AWS says that something doesn't exist, or no longer does. */
export function isGone(error: unknown): boolean {
  return /\.(NotFound|Unavailable)$/.test(errorCode(error));
}

/**
 * Makes calls, and turns AWS's refusals into readable errors.
 * @param doing The purpose of the calls: `stopping i-0123 in us-west-2`.
 * @param cures Cures by AWS's error code.
 */
export async function asking<T>(
  doing: string,
  calls: () => Promise<T>,
  cures: Record<string, string> = {},
): Promise<T> {
  try {
    return await calls();
  } catch (error) {
    if (!(error instanceof Error) || error instanceof UserError) throw error;
    const code = errorCode(error);
    // An error from neither AWS nor the network is our bug, and keeps its trace.
    const fromAws =
      "$metadata" in error || /Credentials|Token|Timeout|ECONN|ENOTFOUND|EAI_AGAIN/.test(code + error.message);
    if (!fromAws) throw error;
    const { requestId } = (error as { $metadata?: { requestId?: string } }).$metadata ?? {};
    const found = `AWS: ${error.message || code} (${code}${requestId ? `, request ${requestId}` : ""})`;
    throw new UserError({ where: doing, found, cure: cures[code] ?? knownCures[code] });
  }
}

const credentials =
  "AWS takes credentials from the environment as its CLI does: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

const knownCures: Record<string, string> = {
  CredentialsProviderError: credentials,
  AuthFailure: credentials,
  InvalidClientTokenId: credentials,
  ExpiredToken: "log in again: aws sso login, or new values of AWS_*",
  RequestExpired: "set this computer's clock",
  UnauthorizedOperation: "docs/ec2.md lists the required IAM permissions",
  AccessDeniedException: "docs/ec2.md lists the required IAM permissions",
  OptInRequired: "enable the region for the account",
  RequestLimitExceeded: "AWS throttles the account's calls: try again later, or bake fewer images at once",
};
