// The plugin as it would be with the small cloud in provider/registry.ts.
import "./functions.ts";
import "../../../../provider/main.ts";
