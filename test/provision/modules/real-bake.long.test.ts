// The whole module library on builders of Debian 12 and 13.
import { bakeLibrary } from "./real-bake.ts";

for (const distribution of ["debian12", "debian13"]) bakeLibrary(distribution, true);
