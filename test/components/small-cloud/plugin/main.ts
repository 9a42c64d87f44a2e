// The plugin with the small cloud added to provider/registry.ts.
import "./functions.ts";
import "../../../../provider/main.ts";
