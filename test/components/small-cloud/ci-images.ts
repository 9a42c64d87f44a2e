// The command line with the small cloud added to components/clouds.ts.
import { main } from "../../../cli/main.ts";
import { clouds } from "../../../components/clouds.ts";
import { paperFacts } from "./facts.ts";
// `sweep` calls the plugin's functions in this process.
import "./plugin/add-part.ts";

clouds.push(paperFacts);
process.exitCode = await main(process.argv.slice(2));
