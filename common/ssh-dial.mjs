// Dialling a machine by SSH: retries, time limits, and the host key. The one place for it: the stand-in for the command plugin and our own
// provider (provider/ssh.ts) connect alike.
import { setTimeout as sleep } from "node:timers/promises";
import ssh2 from "ssh2";

/**
 * A checked `connection` input.
 * @typedef {object} Connection
 * @property {string} host
 * @property {number} port
 * @property {string} user
 * @property {string} [password]
 * @property {string} [privateKey]
 * @property {string} [privateKeyPassword]
 * @property {string} [agentSocketPath]
 * @property {number} dialErrorLimit How many failures are tolerated; -1 is any number.
 * @property {number} perDialTimeout Seconds one attempt may take; 0 is no limit.
 * @property {string} [hostKey] The one key to accept from the machine, as a line of authorized_keys.
 */

/** The pause after the first failure, its growth and its bound, in milliseconds; the official plugin's. */
const backoff = { first: 100, factor: 1.5, longest: 5000 };

/**
 * Connects, as often as `dialErrorLimit` allows.
 * @param {Connection} connection
 * @param {AbortSignal} signal Ends the attempts.
 * @param {(line: string) => void} progress Told of every failed attempt.
 * @returns {Promise<ssh2.Client>}
 * @throws {Error} with the last attempt's reason.
 */
export async function dial(connection, signal, progress) {
  const configuration = clientConfiguration(connection);
  const limit = connection.dialErrorLimit;
  for (let failed = 1, pause = backoff.first; ; failed++, pause = Math.min(pause * backoff.factor, backoff.longest)) {
    signal.throwIfAborted();
    try {
      return await attempt(configuration, connection, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (limit > -1 && failed > limit)
        throw new Error(`after ${failed - 1} failed attempts: ${/** @type {Error} */ (error).message}`, {
          cause: error,
        });
      progress(`Dial ${failed}/${limit === -1 ? "inf" : limit} failed: retrying`);
    }
    await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/**
 * @param {Connection} connection
 * @returns {ssh2.ConnectConfig}
 * @throws {Error} when a key can't be read.
 */
function clientConfiguration(connection) {
  const { host, port, user, password, privateKey, privateKeyPassword, perDialTimeout } = connection;
  if (privateKey !== undefined) readKey(privateKey, "private key", privateKeyPassword);
  const agent = connection.agentSocketPath ?? process.env.SSH_AUTH_SOCK;
  return {
    host,
    port,
    username: user,
    readyTimeout: perDialTimeout * 1000,
    ...(password === undefined ? {} : { password, tryKeyboard: true }),
    ...(privateKey === undefined ? {} : { privateKey, passphrase: privateKeyPassword }),
    ...(agent === undefined || agent === "" ? {} : { agent }),
    ...(connection.hostKey === undefined ? {} : pinnedHostKey(connection.hostKey)),
  };
}

/**
 * Accepts one key only. The algorithm is asked for as well, or a machine with several keys might show another.
 * @param {string} line
 * @returns {Partial<ssh2.ConnectConfig>}
 */
function pinnedHostKey(line) {
  const key = readKey(line, "host key");
  const expected = key.getPublicSSH();
  const algorithms = key.type === "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] : [key.type];
  return {
    hostVerifier: (/** @type {Buffer} */ offered) => offered.equals(expected),
    algorithms: { serverHostKey: /** @type {ssh2.ServerHostKeyAlgorithm[]} */ (algorithms) },
  };
}

/**
 * @param {string} text
 * @param {string} what
 * @param {string} [passphrase]
 */
function readKey(text, what, passphrase) {
  const key = ssh2.utils.parseKey(text, passphrase);
  if (key instanceof Error) throw new Error(`failed to parse ${what}: ${key.message}`);
  // An OpenSSH file can hold several keys; the first one counts.
  return Array.isArray(key) ? /** @type {ssh2.ParsedKey[]} */ (key)[0] : key;
}

/**
 * @param {ssh2.ConnectConfig} configuration
 * @param {Connection} connection
 * @param {AbortSignal} signal
 * @returns {Promise<ssh2.Client>}
 */
function attempt(configuration, connection, signal) {
  return new Promise((resolve, reject) => {
    const client = new ssh2.Client();
    const abort = () => client.destroy();
    const fail = (/** @type {Error} */ error) => {
      signal.removeEventListener("abort", abort);
      client.destroy();
      reject(error);
    };
    signal.addEventListener("abort", abort, { once: true });
    client.once("ready", () => {
      signal.removeEventListener("abort", abort);
      client.removeAllListeners("error");
      // Whoever uses the connection sees its end as `close`; an error without a listener would end the plugin.
      client.on("error", () => {});
      resolve(client);
    });
    client.on("keyboard-interactive", (_name, _instructions, _language, prompts, finish) =>
      finish(prompts.map(() => connection.password ?? "")),
    );
    client.on("error", (error) => fail(explain(error, connection)));
    client.once("close", () => fail(new Error(`ssh: handshake failed: ${place(connection)} closed the connection`)));
    client.connect(configuration);
  });
}

/** @param {Connection} connection */
function place({ host, port }) {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/**
 * Words an error as the official plugin would (it is written in Go), so that whoever searches for it finds it.
 * @param {Error & { level?: string, code?: string }} error
 * @param {Connection} connection
 */
function explain(error, connection) {
  const at = `dial tcp ${place(connection)}`;
  if (error.level === "client-timeout")
    return new Error(`${at}: i/o timeout (no SSH session within ${connection.perDialTimeout} s)`);
  if (error.level === "client-authentication")
    return new Error("ssh: handshake failed: ssh: unable to authenticate, no supported methods remain");
  if (/host denied|verification failed/i.test(error.message))
    return new Error("ssh: handshake failed: ssh: host key mismatch");
  /** @type {Record<string, string>} */
  const words = {
    ECONNREFUSED: "connect: connection refused",
    EHOSTUNREACH: "connect: no route to host",
    ENETUNREACH: "connect: network is unreachable",
    ETIMEDOUT: "connect: connection timed out",
    ENOTFOUND: "no such host",
  };
  const word = words[error.code ?? ""];
  return new Error(word === undefined ? `ssh: handshake failed: ${error.message}` : `${at}: ${word}`);
}
