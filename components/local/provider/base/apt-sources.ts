// Parses apt's lists of sources, in both formats (man 5 sources.list).

/** One suite of one archive. */
export interface AptSource {
  url: string;
  suite: string;
}

/**
 * The binary package sources in a file of /etc/apt, without disabled ones and comments.
 * @param format `deb822` for `.sources` files, `one-line` for `.list` files.
 */
export function readSources(text: string, format: "deb822" | "one-line"): AptSource[] {
  return format === "deb822" ? readParagraphs(text) : readLines(text);
}

function readLines(text: string): AptSource[] {
  return text.split("\n").flatMap((line) => {
    const [, url, suite] = /^\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)/.exec(line) ?? [];
    return url !== undefined && suite !== undefined ? [{ url, suite }] : [];
  });
}

function readParagraphs(text: string): AptSource[] {
  // A comment is a whole line, and may be in the middle of a field.
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  const paragraphs = lines.join("\n").split(/\n\s*\n/);
  return paragraphs.flatMap((paragraph) => {
    const field = (name: string): string[] => {
      const value = new RegExp(`^${name}:(.*(?:\\n[ \\t].*)*)`, "im").exec(paragraph)?.[1];
      return value?.split(/\s+/).filter(Boolean) ?? [];
    };
    if (!field("Types").includes("deb") || /^(no|false|without|off|disable)$/i.test(field("Enabled")[0] ?? "yes"))
      return [];
    return field("URIs").flatMap((url) => field("Suites").map((suite) => ({ url, suite })));
  });
}
