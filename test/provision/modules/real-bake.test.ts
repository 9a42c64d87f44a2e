// The module library on a Debian 12 builder; debian13.long.test.ts does the same on Debian 13.
import { bakeLibrary } from "./real-bake.ts";

bakeLibrary("debian12");
