// Asks the user a question on the terminal.
import { createInterface } from "node:readline";

/** @returns the answer; undefined if the user pressed Ctrl-C or Ctrl-D. */
export async function ask(question: string): Promise<string | undefined> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await new Promise<string | undefined>((resolve) => {
    terminal.on("close", () => resolve(undefined)).question(question, resolve);
  });
  terminal.close();
  // The cursor is still behind the question.
  if (answer === undefined) process.stderr.write("\n");
  return answer;
}
