// What a promotion is told of the verification, whatever the cloud.

/**
 * The checks that passed.
 * @param report The verification's output, one line a check.
 */
export function passedChecks(report: string): string[] {
  return report.split("\n").filter((line) => line.startsWith("ok"));
}
