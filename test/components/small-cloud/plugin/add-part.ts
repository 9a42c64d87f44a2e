// Adds the small cloud to provider/registry.ts.
import { parts } from "../../../../provider/registry.ts";

parts.paper = () => import("./part.ts");
