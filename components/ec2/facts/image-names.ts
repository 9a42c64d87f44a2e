// Names of AMIs: unique in an account and region, so another attempt needs another one; and the only thing that tells whose a copy is
// until it is tagged. The program gives them, the provider looks for them.

/**
 * The name of an attempt.
 * @param wanted The first attempt's; it ends with the recipe's twelve digits (components/ec2/images.ts).
 * @param attempt 1 is the first.
 */
export function imageNameOf(wanted: string, attempt: number): string {
  // 128 characters: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopyImage.html
  return attempt === 1 ? wanted : `${wanted.slice(0, 124)}-${attempt}`;
}

/** The first attempt's name, whichever attempt's is given. */
export function wantedImageName(name: string): string {
  return /^(.*-[0-9a-f]{12})-\d+$/.exec(name)?.[1] ?? name;
}

/** What a filter of DescribeImages takes to find every attempt. No name of ours has a `*` or `?` in it. */
export function imageNamePatterns(wanted: string): string[] {
  return [wanted, `${wanted.slice(0, 124)}-*`];
}
