// Formats and writes generated documents, for write-module-docs.ts and write-sealing-docs.ts.
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";

/** The path of a document in docs/, by its name without `.md`. */
export function documentFile(name: string): string {
  return fileURLToPath(new URL(`../docs/${name}.md`, import.meta.url));
}

/** Formats a document as `npm run format` would. */
export async function formatMarkdown(text: string): Promise<string> {
  return await format(text, { ...(await resolveConfig(documentFile("modules"))), parser: "markdown" });
}

/** Writes a generated document. */
export async function writeDocument(name: string, text: Promise<string>): Promise<void> {
  await writeFile(documentFile(name), await text);
  console.log(`docs/${name}.md`);
}
