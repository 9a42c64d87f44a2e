// The verbs on stack `local`.
import { verbsOf } from "./cli-stack.ts";
import { openLocal } from "./subjects/local.ts";

verbsOf("local", openLocal);
