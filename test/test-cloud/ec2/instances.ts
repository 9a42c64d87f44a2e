// EC2's instances: a container follows what moto says of each.
import { DescribeKeyPairsCommand, type EC2Client } from "@aws-sdk/client-ec2";
import type { DataCentre } from "../data-centre.ts";
import type { Ec2Call, Forward } from "./api.ts";
import { changeEach, texts, withoutElement, withText } from "./xml.ts";

/** What is behind the API. */
export interface Behind {
  /** Talks to moto itself. */
  client(region: string): EC2Client;
  dataCentre: DataCentre;
}

/** What moto does not know of an instance. */
interface Instance {
  id: string;
  region: string;
  address: string;
  /** Whether it is terminated, and not stopped, when the guest powers itself off. */
  terminates: boolean;
  /** What is under way, as EC2 names it. */
  doing?: { state: string; code: number };
  /** True while the container is meant to run. */
  up: boolean;
  /** What happens to it, one thing after the other. */
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

  constructor(private readonly behind: Behind) {}

  /** @returns undefined when the call has nothing to do with instances. */
  async answer({ action, region, parameters }: Ec2Call, forward: Forward) {
    const ids = listOf(parameters, "InstanceId");
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

  /** Ends the container of an instance that moto has as terminated. */
  terminate(id: string): Promise<void> {
    return this.change(id, "TerminateInstances");
  }

  /** Stops the container of an instance that moto has as stopped. */
  stop(id: string): Promise<void> {
    return this.change(id, "StopInstances");
  }

  /** Instances whose guests are down although nobody asked the API for it. */
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

  private async run(region: string, parameters: URLSearchParams, forward: Forward) {
    const image = parameters.get("ImageId") ?? "";
    const answer = await forward();
    if (answer.status !== 200) return answer;
    if (!this.behind.dataCentre.hasImage(image)) throw new Error(`moto runs ${image}, which is no image here`);
    const userData = Buffer.from(parameters.get("UserData") ?? "", "base64").toString();
    const keyName = parameters.get("KeyName") ?? undefined;
    const terminates = parameters.get("InstanceInitiatedShutdownBehavior") === "terminate";
    for (const id of texts(answer.body, "instanceId")) {
      const instance: Instance = { id, region, address: "", terminates, up: true, work: Promise.resolve() };
      this.known.set(id, instance);
      void this.next(instance, "pending", async () => {
        const publicKeys = keyName === undefined ? [] : [await this.publicKey(region, keyName)];
        const metaData = { "public-keys": publicKeys };
        const machine = await this.behind.dataCentre.boot(id, image, { userData, metaData });
        instance.address = machine.address;
      });
    }
    return { ...answer, body: this.put(answer.body) };
  }

  private async publicKey(region: string, name: string): Promise<string> {
    const command = new DescribeKeyPairsCommand({ KeyNames: [name], IncludePublicKey: true });
    const { KeyPairs } = await this.behind.client(region).send(command);
    return KeyPairs![0].PublicKey!;
  }

  private change(id: string, action: "StartInstances" | "StopInstances" | "TerminateInstances"): Promise<void> {
    const instance = this.known.get(id);
    if (!instance) return Promise.resolve();
    const { dataCentre } = this.behind;
    instance.up = action === "StartInstances";
    if (action === "StartInstances") {
      return this.next(instance, "pending", async () => {
        const machine = dataCentre.machine(id);
        machine?.move();
        await machine?.start();
        instance.address = machine?.address ?? "";
      });
    }
    if (action === "StopInstances") return this.next(instance, "stopping", async () => dataCentre.machine(id)?.stop());
    return this.next(instance, "shutting-down", () => dataCentre.remove(id));
  }

  /** Does something to an instance after all that is under way, and lets the API tell of it meanwhile. */
  private next(instance: Instance, state: keyof typeof transitions, work: () => Promise<void>): Promise<void> {
    instance.doing = transitions[state];
    const mine = instance.doing;
    instance.work = instance.work.then(work).then(
      () => {
        if (instance.doing === mine) instance.doing = undefined;
      },
      // It stays as it is, and whoever waits for it sees that.
      (error: unknown) => console.error(`instance ${instance.id}:`, error),
    );
    return instance.work;
  }

  /** Puts right what moto says of instances. */
  private put(xml: string): string {
    return changeEach(xml, "instanceId", (id, part) => {
      const instance = this.known.get(id);
      if (!instance) return part;
      const { address, doing, up } = instance;
      const addressed = ["ipAddress", "privateIpAddress", "publicIp"].reduce(
        (each, element) => (address === "" ? each : withText(each, element, address)),
        // What is off has no public address.
        up ? part : ["ipAddress", "dnsName", "association"].reduce(withoutElement, part),
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

/** A list parameter: `InstanceId.1`, `InstanceId.2`, ... */
function listOf(parameters: URLSearchParams, name: string): string[] {
  return [...parameters].filter(([key]) => key.startsWith(`${name}.`)).map(([, value]) => value);
}
