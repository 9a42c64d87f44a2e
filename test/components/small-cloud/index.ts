// The program with the small cloud added to components/clouds.ts.
import { clouds } from "../../../components/clouds.ts";
import { paperFacts } from "./facts.ts";

clouds.push(paperFacts);
const { default: declare } = await import("../../../index.ts");
export default declare;
