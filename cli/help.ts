// The texts of `./ci-images help`.
import type { Verb } from "./verb.ts";

const common = [
  ["--cloud NAME", "the cloud; creates its stack if there is none, and selects it, so later verbs need no flag"],
  ["--region NAME", "the region (zone) to bake in; only verbs that bake can change it"],
  ["--distribution NAMES", "the distributions to bake, separated by commas; verbs that don't bake act on these only"],
  ["--stack NAME", "the stack's name; selects it for later verbs"],
  ["--verbose", "show every line of every step"],
] as const;

/** The details of a verb. */
export function helpOf(verb: Verb): string {
  const operands = (verb.operands ?? []).map(({ name }) => name).join(" ");
  const others = verb.aliases?.length ? `also: ${verb.aliases.join(", ")}\n` : "";
  const rows = [
    ...(verb.operands ?? []).map(({ name, what }) => [name, what] as const),
    ...(verb.options ?? []).map(({ flags, what }) => [flags, what] as const),
    ...common,
  ];
  return `\
usage: ci-images ${[verb.name, "[options]", operands].filter(Boolean).join(" ")}
${others}
${verb.summary}${verb.details ? `\n\n${verb.details.trim()}` : ""}

${table(rows)}

${verb.examples.map((example) => `  $ ./ci-images ${example}`).join("\n")}
`;
}

/** The list of verbs. */
export function helpOfAll(verbs: readonly Verb[]): string {
  return `\
usage: ci-images VERB [options] [VERB ...]

${table(verbs.map(({ name, summary }) => [name, summary] as const))}

Options of every verb:
${table(common)}

  $ ./ci-images it --cloud local
  $ ./ci-images up --cloud ec2 --region us-west-2 --distribution ubuntu24.04
  $ ./ci-images bootstrap tests create-image

The old tool's spelling works, too: cloud:ec2 region:us-west-2 distribution:centos7 up. Details of one verb: ./ci-images help VERB.
Exit status: 0 done, 1 failed, 2 wrong usage.
`;
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}
