// The EC2 API of the test cloud: moto behind a proxy that backs every instance with a container and every image with a
// copy of a container's root, with realistic delays. The proxy corrects moto's states and addresses.
//
//   const api = await Ec2Api.start(dataCentre, moto.url);
//   api.url         for AWS_ENDPOINT_URL
//   api.faults      injects faults (faults.ts)
//   api.rules       AWS's rules, which tests can turn on and off (rules.ts)
//   api.calls       every request so far: `eu-central-1 RunInstances`
//
// Requests must be valid by AWS's own API model (service-model.ts).
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import {
  DeleteVolumeCommand,
  DescribeSnapshotsCommand,
  EC2Client,
  GetEbsEncryptionByDefaultCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import type { DataCentre } from "../data-centre.ts";
import { directAction, directError, DirectSnapshots } from "./direct-snapshots.ts";
import { Faults } from "./faults.ts";
import { Images } from "./images.ts";
import { Instances } from "./instances.ts";
import { notFound, Rules } from "./rules.ts";
import { ServiceModel, type Refusal } from "./service-model.ts";
import { errorAnswer, okAnswer, texts, withIds } from "./xml.ts";

/** A request to EC2. */
export interface Ec2Call {
  action: string;
  region: string;
  parameters: URLSearchParams;
}

/** Forwards the request to moto. @param changed Replaces the request's parameters. */
export type Forward = (changed?: URLSearchParams) => Promise<{ status: number; body: string }>;

/** EC2 in front of moto. */
export class Ec2Api {
  readonly faults = new Faults();
  readonly rules = new Rules();
  /** Instance Connect Endpoints, which moto does not implement. */
  readonly endpoints: { vpc: string; group: string }[] = [];
  readonly calls: string[] = [];
  /** Default EBS keys by region; AWS's own key by default. */
  readonly defaultKeys = new Map<string, string>();
  readonly instances: Instances;
  readonly images: Images;
  /** Snapshots written block by block. */
  readonly snapshots: DirectSnapshots;
  private readonly server: Server;
  private readonly clients = new Map<string, EC2Client>();

  private constructor(
    dataCentre: DataCentre,
    private readonly moto: string,
  ) {
    const behind = { client: (region: string) => this.client(region), dataCentre, rules: this.rules };
    this.instances = new Instances(behind, this.faults);
    this.snapshots = new DirectSnapshots(dataCentre.folder, async (region, id) => {
      const client = this.client(region);
      const { Snapshots = [] } = await client.send(new DescribeSnapshotsCommand({ SnapshotIds: [id] }));
      for (const { VolumeId } of Snapshots) await client.send(new DeleteVolumeCommand({ VolumeId }));
    });
    this.images = new Images(behind, this.faults, this.snapshots);
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  /** Starts the API. @param moto moto's URL. */
  static async start(dataCentre: DataCentre, moto: string): Promise<Ec2Api> {
    const api = new Ec2Api(dataCentre, moto);
    await new Promise<void>((resolve) => api.server.listen(0, "127.0.0.1", resolve));
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** A client for moto itself, without faults and delays, and with moto's own states. */
  client(region: string): EC2Client {
    let client = this.clients.get(region);
    if (!client) {
      const credentials = { accessKeyId: "test", secretAccessKey: "test" };
      client = new EC2Client({ region, endpoint: this.moto, credentials });
      this.clients.set(region, client);
    }
    return client;
  }

  /** Terminates an instance without an API call of the user. */
  async vanish(region: string, id: string): Promise<void> {
    await this.client(region).send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    await this.instances.terminate(id);
  }

  /** Stops an instance without an API call of the user, and waits until it is stopped. */
  async stop(region: string, id: string): Promise<void> {
    await this.client(region).send(new StopInstancesCommand({ InstanceIds: [id] }));
    await this.instances.stop(id);
  }

  /** Lets AWS interrupt a persistent spot instance, and waits until it is stopped. */
  async interrupt(region: string, id: string): Promise<void> {
    await this.client(region).send(new StopInstancesCommand({ InstanceIds: [id] }));
    await this.instances.stop(id, true);
  }

  /** Waits until all operations have finished. */
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
      const answered = await this.answer(request, await buffer(request));
      if (!answered) return void request.socket.destroy();
      const { status, body: answer, type, headers } = answered;
      response.writeHead(status, { ...headers, "content-type": type ?? "text/xml" }).end(answer);
    } catch (error) {
      // A bug in the test cloud. Don't answer 500, which the SDK would retry for a while.
      console.error(error);
      response.writeHead(400).end(errorAnswer("TestCloudBroken", String(error)));
    }
  }

  /** @returns the answer; undefined to cut the connection. */
  private async answer(
    request: IncomingMessage,
    content: Buffer,
  ): Promise<{ status: number; body: string; type?: string; headers?: Record<string, string> } | undefined> {
    const body = content.toString();
    const [, region = "", service = ""] =
      /Credential=[^/]+\/\d+\/([^/]+)\/([^/]+)\//.exec(request.headers.authorization ?? "") ?? [];
    const forward = (changed?: URLSearchParams) => this.forward(request, changed?.toString() ?? body);
    const parameters = new URLSearchParams(body);
    const target = String(request.headers["x-amz-target"] ?? "");
    const direct = service === "ebs" ? directAction(request) : undefined;
    const action = direct ?? (service === "ec2" ? (parameters.get("Action") ?? "") : service);
    this.calls.push(`${region} ${action}`);
    const fault = await this.faults.meet(action, region);
    if (fault?.cut) return undefined;
    if (fault?.error) {
      const { code, message, status = 400 } = fault.error;
      if (direct !== undefined) return directError(code, message, status);
      return { status, body: errorAnswer(code, message) };
    }
    if (direct !== undefined) {
      const answer = await this.snapshots.answer(region, request, content, () => this.forward(request, content));
      if (fault?.lost) return undefined;
      return { ...answer, headers: { ...answer.headers, ...fault?.headers } };
    }
    if (service === "ssm") {
      const model = await ServiceModel.load("ssm");
      const refusal = model.refusalOf(target.split(".").at(-1) ?? "", JSON.parse(body) as object);
      if (!refusal) return await forward();
      const json = JSON.stringify({ __type: refusal.code, message: refusal.message });
      return { status: 400, body: json, type: "application/x-amz-json-1.1" };
    }
    if (service !== "ec2") return await forward();
    // moto does not implement it.
    if (action === "GetEbsDefaultKmsKeyId") {
      const key = `<kmsKeyId>${this.defaultKeys.get(region) ?? "alias/aws/ebs"}</kmsKeyId>`;
      return { status: 200, body: okAnswer(action).replace("<return>", `${key}<return>`) };
    }
    if (action === "DescribeInstanceConnectEndpoints") return { status: 200, body: this.describeEndpoints(parameters) };
    await this.followGuests();
    const call = { action, region, parameters };
    const refusal = await this.refusalOf(call);
    if (refusal) return { status: 400, body: errorAnswer(refusal.code, refusal.message) };
    const answer =
      (await this.instances.answer(call, forward)) ?? (await this.images.answer(call, forward)) ?? (await forward());
    if (answer.status !== 200) return answer;
    if (makers[action]) this.rules.made(texts(answer.body, makers[action]));
    return action in lists ? await this.seen(call, answer, forward) : answer;
  }

  private async refusalOf({ action, region, parameters }: Ec2Call): Promise<Refusal | undefined> {
    const malformed = (await ServiceModel.load("ec2")).refusalOf(action, parameters);
    if (malformed) return malformed;
    const isEncrypted = action === "RunInstances" && (await this.encryptsByDefault(region));
    const refusal = this.rules.refusalOf(action, parameters, isEncrypted);
    if (refusal) return refusal;
    const unavailable = this.images.refusalOf({ action, region, parameters });
    if (unavailable) return unavailable;
    const named = [...parameters].filter(([key]) => !key.startsWith("Filter")).map(([, value]) => value);
    const [unseen] = this.rules.look(named);
    return unseen === undefined ? undefined : notFound(unseen);
  }

  private async encryptsByDefault(region: string): Promise<boolean> {
    const answer = await this.client(region).send(new GetEbsEncryptionByDefaultCommand({}));
    return answer.EbsEncryptionByDefault ?? false;
  }

  /** An answer to a query without resources that are too new to be visible. */
  private async seen({ action, parameters }: Ec2Call, answer: { status: number; body: string }, forward: Forward) {
    const { element, parameter } = lists[action];
    const ids = texts(answer.body, element);
    const unseen = this.rules.look(ids);
    if (unseen.length === 0) return answer;
    return await forward(
      withIds(
        parameters,
        parameter,
        ids.filter((id) => !unseen.includes(id)),
      ),
    );
  }

  /** Calls moto's IAM API, for which there is no client here. */
  async iam(parameters: Record<string, string>): Promise<void> {
    const authorization = "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request";
    const body = new URLSearchParams({ ...parameters, Version: "2010-05-08" });
    const answer = await fetch(this.url, { method: "POST", headers: { authorization }, body });
    if (!answer.ok) throw new Error(`IAM refused ${parameters.Action}: ${await answer.text()}`);
  }

  /** https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceConnectEndpoints.html */
  private describeEndpoints(parameters: URLSearchParams): string {
    const vpc = parameters.get("Filter.1.Value.1");
    const items = this.endpoints
      .filter((endpoint) => endpoint.vpc === vpc)
      .map(
        (endpoint, index) =>
          `<item><instanceConnectEndpointId>eice-${index}</instanceConnectEndpointId><state>create-complete</state>` +
          `<vpcId>${endpoint.vpc}</vpcId><preserveClientIp>false</preserveClientIp>` +
          `<securityGroupIdSet><item>${endpoint.group}</item></securityGroupIdSet></item>`,
      );
    return `<DescribeInstanceConnectEndpointsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><instanceConnectEndpointSet>${items.join("")}</instanceConnectEndpointSet></DescribeInstanceConnectEndpointsResponse>`;
  }

  /** Stops or terminates instances whose guests have powered off, as requested at their launch. */
  private async followGuests(): Promise<void> {
    for (const { id, region, terminates } of await this.instances.endedByThemselves()) {
      const Command = terminates ? TerminateInstancesCommand : StopInstancesCommand;
      await this.client(region).send(new Command({ InstanceIds: [id] }));
      if (terminates) await this.instances.terminate(id);
    }
  }

  private async forward(
    request: IncomingMessage,
    body: string | Buffer,
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

/** Calls that create resources, and the element of the answer with their ids. */
const makers: Record<string, string> = {
  RunInstances: "instanceId",
  CreateImage: "imageId",
  CopyImage: "imageId",
  CreateSecurityGroup: "groupId",
};

/** Calls that list resources. */
const lists: Record<string, { element: string; parameter: string }> = {
  DescribeInstances: { element: "instanceId", parameter: "InstanceId" },
  DescribeImages: { element: "imageId", parameter: "ImageId" },
};
