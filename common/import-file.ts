// Imports files written by users: modules and transforms.
import { fileURLToPath, pathToFileURL } from "node:url";

const project = fileURLToPath(new URL("..", import.meta.url));

/**
 * Imports a JavaScript or TypeScript file in any module format. Our processes translate only ES modules (`tsx/esm`),
 * which halves the time to load Pulumi's hundreds of CommonJS files. Outside of this package, Node assumes that a `.ts`
 * or `.js` file is CommonJS until it has parsed it, so the first such file enables the translation of CommonJS, too.
 * @param file An absolute path.
 * @throws the import's errors.
 */
export async function importFile(file: string): Promise<Record<string, unknown>> {
  if (!file.startsWith(project)) await translateCommonJs();
  return (await import(pathToFileURL(file).href)) as Record<string, unknown>;
}

let translates: Promise<void> | undefined;

function translateCommonJs(): Promise<void> {
  translates ??= import("tsx/cjs/api").then(({ register }) => void register());
  return translates;
}
