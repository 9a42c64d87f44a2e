// Names of AMIs. They are unique in an account and region, so each attempt needs its own; until a copy is tagged, its
// name alone says which image it belongs to. The program assigns them, the provider looks for them.

/**
 * The name of an attempt.
 * @param wanted The first attempt's; it ends with the recipe's twelve digits (components/ec2/images.ts).
 * @param attempt 1 is the first.
 */
export function imageNameOf(wanted: string, attempt: number): string {
  // 128 characters: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopyImage.html
  return attempt === 1 ? wanted : `${wanted.slice(0, 124)}-${attempt}`;
}

/** The first attempt's name, given any attempt's. */
export function wantedImageName(name: string): string {
  return /^(.*-[0-9a-f]{12})-\d+$/.exec(name)?.[1] ?? name;
}

/** DescribeImages filter values that match every attempt. Our names contain no `*` or `?`. */
export function imageNamePatterns(wanted: string): string[] {
  return [wanted, `${wanted.slice(0, 124)}-*`];
}
