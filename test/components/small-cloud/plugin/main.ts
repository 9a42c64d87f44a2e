// The plugin with the small cloud.
import "./add-part.ts";
import "../../../../provider/main.ts";
