// The command line as it would be with the small cloud in components/clouds.ts.
import { main } from "../../../cli/main.ts";
import { clouds } from "../../../components/clouds.ts";
import { paperFacts } from "./facts.ts";

clouds.push(paperFacts);
// As the plugin would have it: `sweep` calls its functions.
await import("./plugin/functions.ts");
process.exitCode = await main(process.argv.slice(2));
