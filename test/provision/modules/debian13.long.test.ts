// The module library on a Debian 13 builder; real-bake.test.ts does the same on Debian 12.
import { bakeLibrary } from "./real-bake.ts";

bakeLibrary("debian13");
