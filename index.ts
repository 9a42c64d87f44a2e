// The program: settings -> worker images -> outputs. Everything that can be refused is refused before the first resource
// is declared.
import { fileURLToPath } from "node:url";
import { bakeAll } from "./components/worker-images.ts";
import { readSettings } from "./components/settings.ts";

const projectDirectory = fileURLToPath(new URL(".", import.meta.url));

/** The proven images by cloud and distribution, for whoever boots workers from them. */
export const { images } = await bakeAll(readSettings(), projectDirectory);
