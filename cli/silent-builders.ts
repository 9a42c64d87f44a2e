// Finds builders that should run but don't answer, because they were stopped in the machine itself, in the cloud's
// console or by their deadline. `pulumi up` alone would not start them: the official resources ask the cloud only
// during a refresh.
import { spawn } from "node:child_process";
import { hangUp } from "../common/hang-up.ts";
import { openPort } from "../common/ssh-dial.mjs";
import type { Output } from "./output.ts";
import type { CommandStack } from "./stack.ts";
import { workerOfName, type Login, type ResourceRecord, type ExportedState } from "./exported-state.ts";

/**
 * Refreshes the state of builders that don't answer, and of nothing else.
 * @returns URNs to replace, so that `up` waits until these builders answer.
 */
export async function catchUp(stack: CommandStack, state: ExportedState, output: Output): Promise<string[]> {
  const silent = await silentBuilders(state);
  const records = silent.flatMap((login) => recordsOf(state, login));
  const { machineTypes, waitType } = stack.facts;
  const looks = urns(records, machineTypes);
  for (const { worker, host, port } of silent) {
    output.note(`${worker}: the builder does not answer at ${host} port ${port}; checking its state`);
  }
  if (looks.length > 0) await stack.refresh("checking the builder's state", looks);
  return urns(records, waitType === undefined ? [] : [waitType]);
}

/** The builders that should answer but don't. A sealed builder never answers and must not be started. */
async function silentBuilders(state: ExportedState): Promise<Login[]> {
  const awake = state.openBuilders.filter(({ power }) => power !== "off");
  const found = await Promise.all(awake.map(async (login) => ({ login, isThere: await answers(login) })));
  return found.filter(({ isThere }) => !isThere).map(({ login }) => login);
}

/** The resources of a builder, by logical name. */
function recordsOf(state: ExportedState, { worker, recipe }: Login): ResourceRecord[] {
  return state.resources.filter(({ urn }) => {
    const name = workerOfName(urn);
    return name?.worker === worker && name.recipe === recipe.slice(0, 8) && name.rest.startsWith("builder");
  });
}

function urns(records: readonly ResourceRecord[], types: readonly string[]): string[] {
  return records.filter(({ type }) => types.includes(type)).map(({ urn }) => urn);
}

/** Whether something accepts connections there. @param patience Milliseconds to wait before giving up. */
export async function answers(
  { host, port, proxy, tunnel }: Pick<Login, "host" | "port" | "proxy" | "tunnel">,
  patience = 2000,
): Promise<boolean> {
  // A bastion's login and tunnel tools take longer.
  const signal = AbortSignal.timeout(proxy || tunnel ? patience + 15_000 : patience);
  if (tunnel) return await greets(tunnel, signal);
  try {
    const { stream, close } = await openPort({ host, port, proxy }, signal);
    // Errors after this point don't matter.
    stream.on("error", () => {});
    close();
    return true;
  } catch {
    return false;
  }
}

/** Whether an SSH server greets through a tunnel. */
async function greets([program, ...words]: readonly string[], signal: AbortSignal): Promise<boolean> {
  const tool = spawn(program, words, { stdio: ["pipe", "pipe", "ignore"], signal, killSignal: "SIGHUP" });
  // An error means that the tool is missing, or was killed below.
  tool.on("error", () => {});
  tool.stdin.on("error", () => {});
  try {
    // The Session Manager plugin prints something before the server does.
    let said = "";
    for await (const data of tool.stdout) if (/^SSH-/m.test((said += String(data)))) return true;
    return false;
  } catch {
    return false;
  } finally {
    hangUp(tool);
  }
}
