// The command line with the small cloud added to components/clouds.ts.
import { main } from "../../../cli/main.ts";
import { clouds } from "../../../components/clouds.ts";
import { paperFacts } from "./facts.ts";

clouds.push(paperFacts);
// `sweep` calls the plugin's functions in this process.
await import("./plugin/functions.ts");
process.exitCode = await main(process.argv.slice(2));
