// What all stand-ins have in common with every Pulumi plugin: serve gRPC on a free port of the loopback interface,
// print the port as the first line, and end with the engine.
import grpc from "@grpc/grpc-js";

/**
 * Serves until the engine ends, however it ends: it interrupts its plugins when it is done, and when it is killed the
 * pipe to our standard input breaks.
 * @param {grpc.ServiceDefinition} service
 * @param {grpc.UntypedServiceImplementation} implementation Methods that are not in it answer "unimplemented".
 * @param {() => void} [cleanUp] Ends what the plugin started; called once, before the process exits.
 * @returns {Promise<void>} when the port has been printed.
 */
export async function serve(service, implementation, cleanUp = () => {}) {
  const { port } = await listen(service, implementation);
  const end = () => {
    cleanUp();
    process.exit(0);
  };
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  process.stdin.once("end", end);
  process.stdin.once("error", end);
  process.stdin.resume();
  // With the engine gone nobody reads our output; that must not keep us from cleaning up.
  process.stdout.on("error", end);
  process.stderr.on("error", end);
  process.stdout.write(`${port}\n`);
}

/**
 * Serves on a free port of the loopback interface.
 * @param {grpc.ServiceDefinition} service
 * @param {grpc.UntypedServiceImplementation} implementation Methods that are not in it answer "unimplemented".
 * @returns {Promise<{ server: grpc.Server, port: number }>}
 */
export async function listen(service, implementation) {
  // The engine sets no limit on the size of a message either.
  const server = new grpc.Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
  server.addService(service, implementation);
  /** @type {number} */
  const port = await new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { server, port };
}

/**
 * Makes a method of a gRPC service out of an async function; what it throws is the call's error, with its message alone.
 * @template Request, Response
 * @param {(request: Request, call: grpc.ServerUnaryCall<Request, Response>) => Promise<Response> | Response} method
 * @returns {grpc.handleUnaryCall<Request, Response>}
 */
export function unary(method) {
  return (call, callback) => {
    Promise.resolve()
      .then(() => method(call.request, call))
      .then(
        (response) => callback(null, response),
        (/** @type {Error & { code?: unknown, metadata?: grpc.Metadata }} */ error) =>
          callback({
            code: typeof error.code === "number" ? error.code : grpc.status.UNKNOWN,
            details: error.message,
            metadata: error.metadata,
          }),
      );
  };
}
