// The server of a Pulumi plugin: serves gRPC on a free port of the loopback interface, prints the port as its first
// line, and ends when the engine ends.
import grpc from "@grpc/grpc-js";

/**
 * Serves until the engine ends. When it is done it sends its plugins a signal; when it is killed, the pipe to our
 * standard input breaks.
 * @param {grpc.ServiceDefinition} service
 * @param {grpc.UntypedServiceImplementation} implementation Missing methods answer "unimplemented".
 * @param {() => void} [cleanUp] Ends everything the plugin started, before the process exits.
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
  // Without the engine nobody reads our output. That must not prevent the cleanup.
  process.stdout.on("error", end);
  process.stderr.on("error", end);
  process.stdout.write(`${port}\n`);
}

/**
 * Serves on a free port of the loopback interface.
 * @param {grpc.ServiceDefinition} service
 * @param {grpc.UntypedServiceImplementation} implementation Missing methods answer "unimplemented".
 * @returns {Promise<{ server: grpc.Server, port: number }>}
 */
export async function listen(service, implementation) {
  // The engine does not limit the size of messages either.
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
 * Makes a gRPC method from an async function. Only the message of a thrown error reaches the caller.
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
