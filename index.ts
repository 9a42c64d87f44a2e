// The program: settings -> worker images -> outputs. Everything that can be refused is refused before the first resource
// is declared.
import { fileURLToPath } from "node:url";
import { bakeAll } from "./components/worker-images.ts";
import { readSettings } from "./components/settings.ts";

const projectDirectory = fileURLToPath(new URL(".", import.meta.url));

const outputs = await bakeAll(readSettings(), projectDirectory);
/** The proven images by cloud, place and distribution, for whoever boots workers from them. */
export const { images } = outputs;
/** Their ids, as the dictionary `jenkins: clouds: images:` of ci-platform; not on `local`. */
export const { ciPlatform } = outputs;
/** What the images' recipe hashes were made of, so that the next preview can say what has changed; not on `local`. */
export const { plans } = outputs;
