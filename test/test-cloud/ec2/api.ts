// EC2 as the AWS SDK sees it in tests: moto behind a proxy that gives every instance a container, every image a copy of
// one's root, and lets things take the time that they take. What moto says of states and addresses is put right on the way.
//
//   const api = await Ec2Api.start(dataCentre, moto.url);
//   api.url         for AWS_ENDPOINT_URL
//   api.faults      what goes wrong (faults.ts)
//   api.calls       every request so far: `eu-central-1 RunInstances`
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { EC2Client, StopInstancesCommand, TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import type { DataCentre } from "../data-centre.ts";
import { Faults } from "./faults.ts";
import { Images } from "./images.ts";
import { Instances } from "./instances.ts";
import { errorAnswer } from "./xml.ts";

/** A request to EC2. */
export interface Ec2Call {
  action: string;
  region: string;
  parameters: URLSearchParams;
}

/** Sends the request on to moto, once. */
export type Forward = () => Promise<{ status: number; body: string }>;

/** EC2 in front of moto. */
export class Ec2Api {
  readonly faults = new Faults();
  readonly calls: string[] = [];
  readonly instances: Instances;
  readonly images: Images;
  private readonly server: Server;
  private readonly clients = new Map<string, EC2Client>();

  private constructor(
    dataCentre: DataCentre,
    private readonly moto: string,
  ) {
    const behind = { client: (region: string) => this.client(region), dataCentre };
    this.instances = new Instances(behind);
    this.images = new Images(behind, this.faults);
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  /** @param moto Where moto listens. */
  static async start(dataCentre: DataCentre, moto: string): Promise<Ec2Api> {
    const api = new Ec2Api(dataCentre, moto);
    await new Promise<void>((resolve) => api.server.listen(0, "127.0.0.1", resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** A client that talks to moto itself: no faults, no delay, moto's own idea of states. */
  client(region: string): EC2Client {
    let client = this.clients.get(region);
    if (!client) {
      const credentials = { accessKeyId: "test", secretAccessKey: "test" };
      client = new EC2Client({ region, endpoint: this.moto, credentials });
      this.clients.set(region, client);
    }
    return client;
  }

  /** Ends an instance behind everybody's back. */
  async vanish(region: string, id: string): Promise<void> {
    await this.client(region).send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    await this.instances.terminate(id);
  }

  /** Stops an instance behind everybody's back, and waits for that. */
  async stop(region: string, id: string): Promise<void> {
    await this.client(region).send(new StopInstancesCommand({ InstanceIds: [id] }));
    await this.instances.stop(id);
  }

  /** Waits until nothing is under way any more. */
  async settled(): Promise<void> {
    await Promise.all([this.instances.settled(), this.images.settled()]);
  }

  async close(): Promise<void> {
    await this.settled();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    for (const client of this.clients.values()) client.destroy();
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await text(request);
      const { status, body: answer, type } = await this.answer(request, body);
      response.writeHead(status, { "content-type": type ?? "text/xml" }).end(answer);
    } catch (error) {
      // A bug of the test cloud's. The SDK would try again after a 500 for a while.
      console.error(error);
      response.writeHead(400).end(errorAnswer("TestCloudBroken", String(error)));
    }
  }

  private async answer(
    request: IncomingMessage,
    body: string,
  ): Promise<{ status: number; body: string; type?: string }> {
    const [, region = "", service = ""] =
      /Credential=[^/]+\/\d+\/([^/]+)\/([^/]+)\//.exec(request.headers.authorization ?? "") ?? [];
    const forward = () => this.forward(request, body);
    const parameters = new URLSearchParams(body);
    const action = service === "ec2" ? (parameters.get("Action") ?? "") : service;
    this.calls.push(`${region} ${action}`);
    const fault = await this.faults.meet(action, region);
    if (fault?.error) {
      const { code, message, status = 400 } = fault.error;
      return { status, body: errorAnswer(code, message) };
    }
    if (service !== "ec2") return await forward();
    await this.followGuests();
    const call = { action, region, parameters };
    return (
      (await this.instances.answer(call, forward)) ?? (await this.images.answer(call, forward)) ?? (await forward())
    );
  }

  /** A guest that powered itself off is stopped or terminated, as it was asked for when the instance was made. */
  private async followGuests(): Promise<void> {
    for (const { id, region, terminates } of await this.instances.endedByThemselves()) {
      const Command = terminates ? TerminateInstancesCommand : StopInstancesCommand;
      await this.client(region).send(new Command({ InstanceIds: [id] }));
      if (terminates) await this.instances.terminate(id);
    }
  }

  private async forward(
    request: IncomingMessage,
    body: string,
  ): Promise<{ status: number; body: string; type?: string }> {
    const headers = Object.entries(request.headers).filter(
      ([name]) => !["host", "connection", "content-length", "expect"].includes(name),
    );
    const answer = await fetch(new URL(request.url ?? "/", this.moto), {
      method: request.method,
      headers: Object.fromEntries(headers) as Record<string, string>,
      body: request.method === "GET" ? undefined : body,
    });
    return { status: answer.status, body: await answer.text(), type: answer.headers.get("content-type") ?? undefined };
  }
}
