// All verbs, in the order of the help. To add one, write its file in verbs/ and list it here.
import { bootstrap } from "./verbs/bootstrap.ts";
import { build } from "./verbs/build.ts";
import { createImage } from "./verbs/create-image.ts";
import { destroy } from "./verbs/destroy.ts";
import { diff } from "./verbs/diff.ts";
import { distributions } from "./verbs/distributions.ts";
import { doctor } from "./verbs/doctor.ts";
import { down } from "./verbs/down.ts";
import { exportVerb } from "./verbs/export.ts";
import { helpVerb } from "./verbs/help.ts";
import { it } from "./verbs/it.ts";
import { layers } from "./verbs/layers.ts";
import { modules } from "./verbs/modules.ts";
import { publish } from "./verbs/publish.ts";
import { ssh } from "./verbs/ssh.ts";
import { status } from "./verbs/status.ts";
import { sweep } from "./verbs/sweep.ts";
import { tests } from "./verbs/tests.ts";
import { up } from "./verbs/up.ts";
import { isNamed, type Verb } from "./verb.ts";

export const verbs: readonly Verb[] = [
  it,
  up,
  bootstrap,
  tests,
  createImage,
  down,
  status,
  ssh,
  destroy,
  build,
  exportVerb,
  publish,
  diff,
  sweep,
  layers,
  modules,
  distributions,
  doctor,
  helpVerb(() => verbs),
];

/** A verb by its name or another spelling. */
export function findVerb(name: string): Verb | undefined {
  return verbs.find((verb) => isNamed(verb, name));
}
