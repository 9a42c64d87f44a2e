// The benchmark's table in Markdown, for the terminal and for docs/benchmark.md.

/** One row: a measurement, and what it is compared with. */
export interface Row {
  what: string;
  /** Seconds. */
  seconds: number;
  /** What it is compared with: a target or another program's time, in seconds. */
  against?: { what: string; seconds: number };
}

const head = ["what", "seconds", "against", "ratio", ""];

/** A table in Markdown. The ratio is the time divided by the time it is compared with: below 1 is good. */
export function table(rows: readonly Row[]): string {
  const cells = [head, ...rows.map(cellsOf)];
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)));
  const numeric = [1, 3];
  const line = (row: string[]) =>
    `| ${row.map((cell, column) => (numeric.includes(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))).join(" | ")} |`;
  const rule = widths.map((width, column) =>
    numeric.includes(column) ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  return [line(cells[0]), `| ${rule.join(" | ")} |`, ...cells.slice(1).map(line)].join("\n");
}

function cellsOf({ what, seconds, against }: Row): string[] {
  if (!against) return [what, seconds.toFixed(1), "", "", ""];
  const ratio = seconds / against.seconds;
  const target = `${against.what} ${against.seconds.toFixed(against.seconds % 1 === 0 ? 0 : 1)} s`;
  return [what, seconds.toFixed(1), target, ratio.toFixed(2), ratio < 1 ? "met" : "missed"];
}
