// The module library on a builder of Debian 12; debian13.long.test.ts does the same on Debian 13.
import { bakeLibrary } from "./real-bake.ts";

bakeLibrary("debian12");
