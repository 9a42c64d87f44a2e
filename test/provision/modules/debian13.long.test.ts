// The module library on a builder of Debian 13; real-bake.test.ts does the same on Debian 12.
import { bakeLibrary } from "./real-bake.ts";

bakeLibrary("debian13");
