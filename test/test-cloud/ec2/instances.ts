// EC2's instances: a container for each of moto's instances.
import { randomBytes } from "node:crypto";
import {
  DescribeKeyPairsCommand,
  DescribeSubnetsCommand,
  GetEbsEncryptionByDefaultCommand,
  TerminateInstancesCommand,
  type EC2Client,
} from "@aws-sdk/client-ec2";
import type { DataCentre } from "../data-centre.ts";
import type { Ec2Call, Forward } from "./api.ts";
import type { Faults } from "./faults.ts";
import type { Rules } from "./rules.ts";
import type { Refusal } from "./service-model.ts";
import { changeEach, errorAnswer, listOf, okAnswer, texts, withElements, withoutElement, withText } from "./xml.ts";

/** The parts behind the API. */
export interface Behind {
  /** A client for moto itself. */
  client(region: string): EC2Client;
  dataCentre: DataCentre;
  rules: Rules;
}

/** A spot instance's request. */
interface SpotRequest {
  id: string;
  isPersistent: boolean;
  isCancelled: boolean;
  /** AWS has taken the machine back. */
  isInterrupted: boolean;
}

/** What moto does not store about an instance. */
interface Instance {
  id: string;
  region: string;
  address: string;
  /** Whether it is terminated instead of stopped when the guest powers off. */
  terminates: boolean;
  hasPublicAddress: boolean;
  /** How many more looks don't show its public address. */
  unseen: number;
  spot?: SpotRequest;
  /** AWS's reason why it is not running. */
  reason?: Refusal;
  isTerminated?: boolean;
  /** Repeats the request that launched it. */
  again: () => Promise<unknown>;
  /** EC2's name for the running operation. */
  doing?: { state: string; code: number };
  /** True while the container should run. */
  up: boolean;
  /** Its operations, one after the other. */
  work: Promise<void>;
}

const transitions = {
  pending: { state: "pending", code: 0 },
  stopping: { state: "stopping", code: 64 },
  "shutting-down": { state: "shutting-down", code: 32 },
};

/** The instances of all regions. */
export class Instances {
  private readonly known = new Map<string, Instance>();

  constructor(
    private readonly behind: Behind,
    private readonly faults: Faults,
  ) {}

  /** @returns the answer; undefined if the call is not about instances. */
  async answer({ action, region, parameters }: Ec2Call, forward: Forward) {
    const ids = listOf(parameters, "InstanceId");
    const refusal = this.refusalOf(action, action === "CreateImage" ? [parameters.get("InstanceId")!] : ids);
    if (refusal) return { status: 400, body: errorAnswer(refusal.code, refusal.message) };
    switch (action) {
      case "RunInstances":
        return await this.run(region, parameters, forward);
      case "StartInstances":
      case "StopInstances":
      case "TerminateInstances": {
        const answer = await forward();
        if (answer.status === 200) for (const id of ids) void this.change(id, action);
        return { ...answer, body: this.put(answer.body) };
      }
      case "CancelSpotInstanceRequests": {
        const requests = listOf(parameters, "SpotInstanceRequestId");
        for (const instance of this.known.values()) {
          if (!instance.spot || !requests.includes(instance.spot.id)) continue;
          instance.spot.isCancelled = true;
          if (instance.spot.isInterrupted && this.stateOf(instance) === "stopped") await this.end(instance);
        }
        return { status: 200, body: okAnswer(action) };
      }
      case "RebootInstances":
        throw new Error("the test cloud has no RebootInstances; machines reboot from inside");
      case "GetConsoleOutput": {
        const answer = await forward();
        const said = await this.behind.dataCentre.machine(parameters.get("InstanceId") ?? "")?.console();
        return { ...answer, body: withText(answer.body, "output", Buffer.from(said ?? "").toString("base64")) };
      }
      case "DescribeInstances":
      case "DescribeInstanceStatus": {
        const answer = await forward();
        return { ...answer, body: this.put(answer.body) };
      }
      default:
        return undefined;
    }
  }

  /** Hides an instance's public address from the next looks. */
  hideAddress(id: string, looks: number): void {
    this.known.get(id)!.unseen = looks;
  }

  /** Removes the container of an instance that is terminated in moto. */
  terminate(id: string): Promise<void> {
    return this.change(id, "TerminateInstances");
  }

  /**
   * Stops the container of an instance that is stopped in moto.
   * @param isInterruption True if AWS interrupts a spot instance.
   */
  stop(id: string, isInterruption = false): Promise<void> {
    const stopped = this.change(id, "StopInstances");
    const instance = this.known.get(id);
    if (isInterruption && instance?.spot) {
      instance.spot.isInterrupted = true;
      instance.reason = {
        code: "Server.SpotInstanceShutdown",
        message: "Server.SpotInstanceShutdown: Spot instance shutdown",
      };
    }
    return stopped;
  }

  /** Instances whose guests have powered off by themselves. */
  async endedByThemselves(): Promise<Instance[]> {
    const ended: Instance[] = [];
    for (const instance of this.known.values()) {
      const machine = this.behind.dataCentre.machine(instance.id);
      if (!instance.up || instance.doing || (await machine?.state()) !== "ended") continue;
      instance.up = false;
      ended.push(instance);
    }
    return ended;
  }

  async settled(): Promise<void> {
    await Promise.all([...this.known.values()].map(({ work }) => work));
  }

  /** Terminates an instance on AWS's own initiative. */
  private async end({ id, region }: Instance): Promise<void> {
    await this.behind.client(region).send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    void this.change(id, "TerminateInstances");
  }

  /** EC2's name for an instance's state. */
  private stateOf({ doing, isTerminated, up }: Instance): string {
    return doing?.state ?? (isTerminated ? "terminated" : up ? "running" : "stopped");
  }

  private refusalOf(action: string, ids: readonly string[]): Refusal | undefined {
    const { on } = this.behind.rules;
    for (const id of ids) {
      const instance = this.known.get(id);
      if (!instance) continue;
      const state = this.stateOf(instance);
      const wrongState = (what: string) => ({
        code: "IncorrectInstanceState",
        message: `The instance '${id}' is not in a state from which it can be ${what}.`,
      });
      const { spot } = instance;
      if (action === "StartInstances") {
        if (on.has("instance states") && !["stopped", "running", "pending"].includes(state))
          return wrongState("started");
        if (on.has("spot power") && spot?.isInterrupted) {
          const message = `You can't start the Spot Instance '${id}' because the associated Spot Instance request is not in an appropriate state to support start.`;
          return { code: "IncorrectSpotRequestState", message };
        }
      }
      if (action === "StopInstances") {
        if (on.has("instance states") && !["stopped", "running", "stopping"].includes(state))
          return wrongState("stopped");
        if (on.has("spot power") && spot && !spot.isPersistent) {
          const message = `You can't stop the Spot Instance '${id}' because it is associated with a one-time Spot Instance request. You can only stop Spot Instances associated with persistent Spot Instance requests.`;
          return { code: "UnsupportedOperation", message };
        }
      }
      if (
        action === "CreateImage" &&
        on.has("images of settled instances") &&
        !["stopped", "running"].includes(state)
      ) {
        return { code: "IncorrectInstanceState", message: `The instance ID '${id}' is in the ${state} state.` };
      }
    }
    return undefined;
  }

  private async run(region: string, sent: URLSearchParams, forward: Forward) {
    const image = sent.get("ImageId") ?? "";
    const parameters = await this.withDefaultEncryption(region, sent);
    const answer = await forward(parameters);
    if (answer.status !== 200) return answer;
    if (!this.behind.dataCentre.hasImage(image)) throw new Error(`moto runs ${image}, which is no image here`);
    const userData = Buffer.from(parameters.get("UserData") ?? "", "base64").toString();
    const keyName = parameters.get("KeyName") ?? undefined;
    const terminates = parameters.get("InstanceInitiatedShutdownBehavior") === "terminate";
    const hasPublicAddress = await this.hasPublicAddress(region, parameters, texts(answer.body, "subnetId")[0]);
    const end = this.faults.takeEnd();
    for (const id of texts(answer.body, "instanceId")) {
      const again = () => this.run(region, sent, forward);
      const spot = spotOf(parameters);
      const instance: Instance = {
        id,
        region,
        address: "",
        terminates,
        hasPublicAddress,
        unseen: 0,
        up: true,
        again,
        work: Promise.resolve(),
        ...(spot && { spot }),
      };
      this.known.set(id, instance);
      if (end) {
        instance.reason = end;
        void this.next(instance, "pending", async () => {
          await this.behind.client(region).send(new TerminateInstancesCommand({ InstanceIds: [id] }));
          instance.up = false;
          instance.isTerminated = true;
        });
        continue;
      }
      void this.next(instance, "pending", async () => {
        const publicKeys = keyName === undefined ? [] : [await this.publicKey(region, keyName)];
        const metaData = { "public-keys": publicKeys };
        const machine = await this.behind.dataCentre.boot(id, image, { userData, metaData });
        instance.address = machine.address;
      });
    }
    return { ...answer, body: this.put(answer.body) };
  }

  private async withDefaultEncryption(region: string, parameters: URLSearchParams): Promise<URLSearchParams> {
    if (!this.behind.rules.on.has("encryption by default")) return parameters;
    const answer = await this.behind.client(region).send(new GetEbsEncryptionByDefaultCommand({}));
    const disk = "BlockDeviceMapping.1.Ebs";
    if (!answer.EbsEncryptionByDefault || !parameters.has(`${disk}.VolumeSize`)) return parameters;
    const changed = new URLSearchParams(parameters);
    changed.set(`${disk}.Encrypted`, "true");
    return changed;
  }

  private async hasPublicAddress(
    region: string,
    parameters: URLSearchParams,
    subnet: string | undefined,
  ): Promise<boolean> {
    const asked = parameters.get("NetworkInterface.1.AssociatePublicIpAddress");
    if (asked !== null || subnet === undefined || !this.behind.rules.on.has("public addresses"))
      return asked !== "false";
    const { Subnets } = await this.behind.client(region).send(new DescribeSubnetsCommand({ SubnetIds: [subnet] }));
    return Subnets![0].MapPublicIpOnLaunch ?? false;
  }

  private async publicKey(region: string, name: string): Promise<string> {
    const command = new DescribeKeyPairsCommand({ KeyNames: [name], IncludePublicKey: true });
    const { KeyPairs } = await this.behind.client(region).send(command);
    return KeyPairs![0].PublicKey!;
  }

  private change(id: string, action: "StartInstances" | "StopInstances" | "TerminateInstances"): Promise<void> {
    const instance = this.known.get(id);
    if (!instance) return Promise.resolve();
    const { dataCentre, rules } = this.behind;
    if (action === "StartInstances" && this.stateOf(instance) !== "stopped") return Promise.resolve();
    instance.up = action === "StartInstances";
    instance.reason = reasons[action];
    if (action === "StartInstances") {
      return this.next(instance, "pending", async () => {
        const machine = dataCentre.machine(id);
        machine?.move();
        await machine?.start();
        instance.address = machine?.address ?? "";
      });
    }
    if (action === "StopInstances") return this.next(instance, "stopping", async () => dataCentre.machine(id)?.stop());
    const { spot } = instance;
    const comesBack =
      spot?.isPersistent && !spot.isCancelled && !instance.isTerminated && rules.on.has("spot requests last");
    instance.isTerminated = true;
    return this.next(instance, "shutting-down", async () => {
      await dataCentre.remove(id);
      if (comesBack) await instance.again();
    });
  }

  /** Queues an operation on an instance. The API shows `state` meanwhile. */
  private next(instance: Instance, state: keyof typeof transitions, work: () => Promise<void>): Promise<void> {
    instance.doing = transitions[state];
    const mine = instance.doing;
    instance.work = instance.work.then(work).then(
      () => {
        if (instance.doing === mine) instance.doing = undefined;
      },
      // The state does not change, so a waiting test notices.
      (error: unknown) => console.error(`instance ${instance.id}:`, error),
    );
    return instance.work;
  }

  /** Corrects moto's answers about instances. */
  private put(xml: string): string {
    const list = xml.includes("<instanceStatusSet>") ? "instanceStatusSet" : "instancesSet";
    return changeEach(xml, list, "instanceId", (id, part) => {
      const instance = this.known.get(id);
      if (!instance) return part;
      const { address, doing, up, spot, reason } = instance;
      const hasPublicAddress = instance.hasPublicAddress && instance.unseen-- <= 0;
      // Stopped instances have no public address.
      const shown =
        up && hasPublicAddress ? part : ["ipAddress", "dnsName", "association"].reduce(withoutElement, part);
      const explained = withElements(withoutElement(shown, "stateReason"), "instanceId", {
        stateReason: reason && `<code>${reason.code}</code><message>${reason.message}</message>`,
        spotInstanceRequestId: spot?.id,
      });
      const addressed = ["ipAddress", "privateIpAddress", "publicIp"].reduce(
        (each, element) => (address === "" ? each : withText(each, element, address)),
        explained,
      );
      if (!doing) return addressed;
      const state = `<code>${doing.code}</code><name>${doing.state}</name>`;
      return addressed.replace(
        /(<(instanceState|currentState)>)\s*<code>\d+<\/code>\s*<name>[^<]*<\/name>/g,
        `$1${state}`,
      );
    });
  }
}

/** EC2's state reasons after a call that stops or terminates an instance. */
const reasons: Record<string, Refusal | undefined> = {
  StopInstances: {
    code: "Client.UserInitiatedShutdown",
    message: "Client.UserInitiatedShutdown: User initiated shutdown",
  },
  TerminateInstances: {
    code: "Client.UserInitiatedShutdown",
    message: "Client.UserInitiatedShutdown: User initiated shutdown",
  },
};

function spotOf(parameters: URLSearchParams): SpotRequest | undefined {
  if (parameters.get("InstanceMarketOptions.MarketType") !== "spot") return undefined;
  const isPersistent = parameters.get("InstanceMarketOptions.SpotOptions.SpotInstanceType") === "persistent";
  return { id: `sir-${randomBytes(4).toString("hex")}`, isPersistent, isCancelled: false, isInterrupted: false };
}
