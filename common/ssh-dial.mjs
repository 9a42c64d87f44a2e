// Dials a machine by SSH, with retries, time limits, and a host key. Used by the command plugin's substitute and our
// own provider (provider/ssh.ts).
import { connect } from "node:net";
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
 * @property {Connection} [proxy] The bastion that the connection goes through.
 */

/** The pause after the first failure, its growth and its limit, in milliseconds; the same as the official plugin's. */
const backoff = { first: 100, factor: 1.5, longest: 5000 };

/**
 * If nothing arrives for five minutes, the connection is lost: the machine or the network is gone, and TCP doesn't
 * report that. A busy machine still answers, because sshd itself does.
 */
const keepalive = { keepaliveInterval: 30_000, keepaliveCountMax: 10 };

/**
 * Connects, with up to `dialErrorLimit` retries; first to the bastion `proxy`, if there is one, and from there to the
 * machine. (The official plugin has a third round of attempts, for the handshake over the same connection, where all
 * but the first are bound to fail.)
 * @param {Connection} connection
 * @param {AbortSignal} signal Ends the attempts.
 * @param {(line: string) => void} progress Called for every failed attempt.
 * @returns {Promise<ssh2.Client>}
 * @throws {Error} with the last attempt's reason.
 */
export async function dial(connection, signal, progress) {
  const { proxy, dialErrorLimit: limit, perDialTimeout } = connection;
  const configuration = clientConfiguration(connection);
  const again = { limit, signal, progress };
  if (proxy === undefined) return retry("Dial", again, () => attempt(configuration, connection, signal));
  const bastion = await explained("proxy", async () => {
    const own = clientConfiguration(proxy);
    return retry("Dial proxy", { ...again, limit: proxy.dialErrorLimit }, () => attempt(own, proxy, signal));
  });
  const abort = () => bastion.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await explained("proxy", () =>
      retry("Dial from proxy", again, async () => {
        const sock = await openFrom(bastion, connection, perDialTimeout);
        const client = await attempt({ ...configuration, sock }, connection, signal);
        client.once("close", () => bastion.end());
        const destroy = client.destroy.bind(client);
        client.destroy = () => {
          destroy();
          bastion.destroy();
          return client;
        };
        return client;
      }),
    );
  } catch (error) {
    bastion.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/**
 * Opens a connection to the machine's port without logging in: through the bastion, if there is one.
 * @param {Pick<Connection, "host" | "port" | "proxy">} target
 * @param {AbortSignal} signal Ends the attempt.
 * @returns {Promise<{ stream: import("node:stream").Duplex, close: () => void }>} `close` ends the connection, and the
 * one to the bastion.
 * @throws {Error} if the bastion refuses us, or nothing answers at the port.
 */
export async function openPort({ host, port, proxy }, signal) {
  if (proxy === undefined) {
    const stream = await openDirectly(host, port, signal);
    return { stream, close: () => stream.destroy() };
  }
  const bastion = await explained("proxy", async () => attempt(clientConfiguration(proxy), proxy, signal));
  const abort = () => bastion.destroy();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const stream = await openFrom(bastion, { host, port });
    // Not by ending the stream: a channel of ssh2 doesn't end while it has unread data.
    return { stream, close: () => bastion.destroy() };
  } catch (error) {
    bastion.destroy();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/**
 * @param {string} host
 * @param {number} port
 * @param {AbortSignal} signal
 * @returns {Promise<import("node:net").Socket>}
 */
function openDirectly(host, port, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect({ host, port });
    // Not connect's own `signal`, which would also end the connection later.
    const abort = () => socket.destroy(new Error("it took too long", { cause: signal.reason }));
    signal.addEventListener("abort", abort, { once: true });
    const settle = () => signal.removeEventListener("abort", abort);
    socket.once("connect", () => {
      settle();
      resolve(socket);
    });
    socket.once("error", (error) => {
      settle();
      reject(error);
    });
  });
}

/** A bastion's reasons for refusing a connection, by number: https://www.rfc-editor.org/rfc/rfc4254#section-5.1 */
const rejections = ["", "administratively prohibited", "connect failed"];

/**
 * A connection from the bastion to the target.
 * @param {ssh2.Client} bastion
 * @param {Pick<Connection, "host" | "port">} target
 * @param {number} [patience] Seconds; a bastion may take minutes to notice that nothing answers. 0 is no limit.
 * @returns {Promise<import("node:stream").Duplex>}
 */
function openFrom(bastion, { host, port }, patience = 0) {
  return new Promise((resolve, reject) => {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
      clearTimeout(timer);
      bastion.removeListener("close", lost);
    };
    const giveUp = (/** @type {string} */ reason) => {
      settle();
      reject(new Error(reason));
    };
    const lost = () => giveUp("connection lost");
    bastion.once("close", lost);
    const late = `dial tcp ${place({ host, port })}: i/o timeout (the bastion has no answer within ${patience} s)`;
    const timer = patience > 0 ? setTimeout(() => giveUp(late), patience * 1000) : undefined;
    // The address and port given as the connection's origin.
    bastion.forwardOut("127.0.0.1", 0, host, port, (error, channel) => {
      if (isSettled) return void channel?.close();
      settle();
      if (error === undefined) return resolve(channel);
      const { reason, message } = /** @type {Error & { reason?: number }} */ (error);
      const said = message.replace(/^\(SSH\) Channel open failure: /, "");
      reject(new Error(`ssh: rejected: ${rejections[reason ?? 0] ?? "unknown reason"} (${said})`, { cause: error }));
    });
  });
}

/**
 * Retries an operation, with pauses.
 * @template T
 * @param {string} what Prefix of the progress lines: `Dial`.
 * @param {{ limit: number, signal: AbortSignal, progress: (line: string) => void }} circumstances
 * @param {() => Promise<T>} once
 * @returns {Promise<T>}
 */
async function retry(what, { limit, signal, progress }, once) {
  for (let failed = 1, pause = backoff.first; ; failed++, pause = Math.min(pause * backoff.factor, backoff.longest)) {
    signal.throwIfAborted();
    try {
      return await once();
    } catch (error) {
      signal.throwIfAborted();
      if (limit > -1 && failed > limit)
        throw new Error(`after ${failed - 1} failed attempts: ${/** @type {Error} */ (error).message}`, {
          cause: error,
        });
      progress(`${what} ${failed}/${limit === -1 ? "inf" : limit} failed: retrying`);
    }
    await sleep(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/**
 * Prefixes an error's message with its origin.
 * @template T
 * @param {string} whose
 * @param {() => Promise<T>} act
 * @returns {Promise<T>}
 */
async function explained(whose, act) {
  try {
    return await act();
  } catch (error) {
    throw new Error(`${whose}: ${/** @type {Error} */ (error).message}`, { cause: error });
  }
}

/**
 * @param {Connection} connection
 * @returns {ssh2.ConnectConfig}
 * @throws {Error} if a key can't be read.
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
    ...keepalive,
    ...(password === undefined ? {} : { password, tryKeyboard: true }),
    ...(privateKey === undefined ? {} : { privateKey, passphrase: privateKeyPassword }),
    ...(agent === undefined || agent === "" ? {} : { agent }),
    ...(connection.hostKey === undefined ? {} : pinnedHostKey(connection.hostKey)),
  };
}

/**
 * Accepts exactly one key. Also requests its algorithm, because a machine with several keys might offer another.
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
      // Users of the connection see its end as `close`. An error without a listener would end the plugin.
      client.on("error", () => {});
      resolve(client);
    });
    client.on("keyboard-interactive", (_name, _instructions, _language, prompts, finish) =>
      finish(prompts.map(() => connection.password ?? "")),
    );
    client.on("error", (/** @type {Error & { level?: string }} */ error) => {
      // An agent that is gone, or a key in it that can't sign. The client goes on with what else it has.
      if (error.level !== "agent") fail(explain(error, connection));
    });
    client.once("close", () => fail(new Error(`ssh: handshake failed: ${place(connection)} closed the connection`)));
    client.connect(configuration);
  });
}

/** @param {Pick<Connection, "host" | "port">} connection */
function place({ host, port }) {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/**
 * Phrases an error like the official plugin (which is written in Go), so that searching for it finds results.
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
