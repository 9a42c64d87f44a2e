// Loads the provider's main program.
import { fileURLToPath } from "node:url";
import { importProgram } from "../common/import-file.mjs";

await importProgram(fileURLToPath(new URL("main.ts", import.meta.url)));
