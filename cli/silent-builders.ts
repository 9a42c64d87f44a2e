// Builders that the state takes for running and that do not answer: somebody stopped or ended them elsewhere, in the machine, at the
// cloud's console, by their deadline. A bake is to start them again, and `pulumi up` alone would not: the official resources
// only look at the cloud in a refresh.
import { spawn } from "node:child_process";
import { hangUp } from "../common/hang-up.ts";
import { openPort } from "../common/ssh-dial.mjs";
import type { Output } from "./output.ts";
import type { CommandStack } from "./stack.ts";
import { workerOfName, type Login, type ResourceRecord, type StackState } from "./stack-state.ts";

/**
 * Makes the state say what became of builders that do not answer. Asks the cloud for them and nothing else, and only then.
 * @returns URNs of what has to be made anew so that `up` waits until they answer again; none when all builders do, or none is there.
 */
export async function catchUp(stack: CommandStack, state: StackState, output: Output): Promise<string[]> {
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

/** Those that should answer and do not. One that is sealed answers nobody any more, and nothing may start it. */
async function silentBuilders(state: StackState): Promise<Login[]> {
  const awake = state.logins.filter((login) => login.power !== "off" && state.endOf(login) === undefined);
  const found = await Promise.all(awake.map(async (login) => ({ login, isThere: await answers(login) })));
  return found.filter(({ isThere }) => !isThere).map(({ login }) => login);
}

/** What belongs to a builder, by logical names. */
function recordsOf(state: StackState, { worker, recipe }: Login): ResourceRecord[] {
  return state.resources.filter(({ urn }) => {
    const name = workerOfName(urn);
    return name?.worker === worker && name.recipe === recipe.slice(0, 8) && name.rest.startsWith("builder");
  });
}

function urns(records: readonly ResourceRecord[], types: readonly string[]): string[] {
  return records.filter(({ type }) => types.includes(type)).map(({ urn }) => urn);
}

/** Whether somebody takes connections there. @param patience Milliseconds until the answer is no. */
export async function answers(
  { host, port, proxy, tunnel }: Pick<Login, "host" | "port" | "proxy" | "tunnel">,
  patience = 2000,
): Promise<boolean> {
  // Logging in to a bastion takes its time, and so do the tools of tunnels.
  const signal = AbortSignal.timeout(proxy || tunnel ? patience + 15_000 : patience);
  if (tunnel) return await greets(tunnel, signal);
  try {
    const { stream, close } = await openPort({ host, port, proxy }, signal);
    // What is still to come, its own end perhaps as an error, is of no interest.
    stream.on("error", () => {});
    close();
    return true;
  } catch {
    return false;
  }
}

/** Whether an SSH server's first words come out of a tunnel. */
async function greets([program, ...words]: readonly string[], signal: AbortSignal): Promise<boolean> {
  const tool = spawn(program, words, { stdio: ["pipe", "pipe", "ignore"], signal, killSignal: "SIGHUP" });
  // A tool that is missing, or is killed below.
  tool.on("error", () => {});
  tool.stdin.on("error", () => {});
  try {
    // The Session Manager plugin says something before the server does.
    let said = "";
    for await (const data of tool.stdout) if (/^SSH-/m.test((said += String(data)))) return true;
    return false;
  } catch {
    return false;
  } finally {
    hangUp(tool);
  }
}
