// Importing files that users wrote: modules of their own, transforms.
import { fileURLToPath, pathToFileURL } from "node:url";

const project = fileURLToPath(new URL("..", import.meta.url));

/**
 * Imports a JavaScript or TypeScript file in whatever module format it is. Our processes translate ES modules only (`tsx/esm`), which
 * halves the time that Pulumi's own hundreds of CommonJS files take to load; outside of this package Node takes a `.ts` or `.js` for
 * CommonJS until it has seen what is in it, so for those the other half is switched on when the first one comes.
 * @param file An absolute path.
 * @throws what the import throws.
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
