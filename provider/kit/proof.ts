// What a promotion is told of the verification, whatever the cloud.

export interface Proof {
  /** How the image was verified: `OpenStack, flavor m1.small`. */
  how: string;
  /** The verification's output, one line a check. */
  report: string;
}

/**
 * The JSON schema of a promotion's inputs, all of which are required.
 * @param image What names the image: texts.
 */
export function promotionInputs(...image: string[]) {
  const names = [...image, "how", "report"];
  return {
    type: "object" as const,
    properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
    required: names,
  };
}

/** The checks that passed, as the output has them. */
export function passedChecks(report: string): string[] {
  return report.split("\n").filter((line) => line.startsWith("ok"));
}
