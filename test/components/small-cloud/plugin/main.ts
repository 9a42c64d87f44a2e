// The plugin with the small cloud added to provider/registry.ts.
import { parts } from "../../../../provider/registry.ts";

parts.paper = () => import("./functions.ts");
await import("../../../../provider/main.ts");
