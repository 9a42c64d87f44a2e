// The module library on a Debian 12 builder, but for modules that do little but install packages;
// real-bake.long.test.ts has all of it.
import { bakeLibrary } from "./real-bake.ts";

bakeLibrary("debian12", false);
