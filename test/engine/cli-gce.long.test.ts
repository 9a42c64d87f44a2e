// The verbs on stack `gce`.
import { verbsOf } from "./cli-stack.ts";
import { openGce } from "./subjects/gce.ts";

verbsOf("gce", openGce, ({ gce }) => (gce as { zone: string }).zone);
