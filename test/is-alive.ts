/** Whether a process of ours runs. @param id Its process id. */
export function isAlive(id: number): boolean {
  try {
    return process.kill(id, 0);
  } catch {
    return false;
  }
}
