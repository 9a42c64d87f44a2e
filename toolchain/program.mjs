// The program as Pulumi loads it: index.ts of the working directory, which is the Pulumi project's.
import { join } from "node:path";
import { importProgram } from "../common/import-file.mjs";

const { default: declare } = await importProgram(join(process.cwd(), "index.ts"));
export default declare;
