// Sends our resources' progress lines to the engine, which shows each under its resource.
import grpc from "@grpc/grpc-js";
import engineService from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engine from "@pulumi/pulumi/proto/engine_pb.js";

/** Sends lines to the engine, in order. */
export class EngineLog {
  private readonly client: engineService.EngineClient;
  private last: Promise<void> = Promise.resolve();

  /** @param address The engine's address: the first argument of every provider process. */
  constructor(address: string) {
    this.client = new engineService.EngineClient(address, grpc.credentials.createInsecure());
  }

  /** Shows `message` under the resource `urn`. A transient message is shown only until the next one. */
  info(urn: string, message: string, transient = false): void {
    this.send(engine.LogSeverity.INFO, urn, message, transient);
  }

  /** Shows a warning that belongs to no resource. */
  warn(message: string): void {
    this.send(engine.LogSeverity.WARNING, "", message, false);
  }

  private send(severity: engine.LogSeverity, urn: string, message: string, transient: boolean): void {
    const request = new engine.LogRequest();
    request.setSeverity(severity);
    request.setMessage(message);
    request.setUrn(urn);
    request.setEphemeral(transient);
    this.last = this.last.then(
      () =>
        new Promise((resolve) => {
          // Ignore errors: if the engine is gone, the watch in main.ts ends this process.
          this.client.log(request, () => resolve());
        }),
    );
  }

  /** Resolves when every line has reached the engine, so that none follows the resource's end. */
  async flush(): Promise<void> {
    await this.last;
  }
}
