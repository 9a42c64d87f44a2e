// Reads a verification's report, for promotions in every cloud.

/**
 * The checks that passed.
 * @param report The verification's output, one line per check.
 */
export function passedChecks(report: string): string[] {
  return report.split("\n").filter((line) => line.startsWith("ok"));
}
