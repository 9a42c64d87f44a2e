// Records what the current program does on a cloud and writes to the state: `tsx test/states/record.ts ec2`. See
// README.md.
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudStack } from "../engine/cloud-stack.ts";
import { folder, recordingOf, stack as stackName, type GrpcEntry } from "./recording.ts";
import { exchange, placeholders, settingsOn, subjects } from "./subjects.ts";

const cloud = process.argv[2];
const subject = await subjects[cloud]();
const logs = await mkdtemp(join(tmpdir(), "ci-images-grpc-"));
try {
  const grpcLog = join(logs, "grpc.json");
  const variables = { ...subject.variables, PULUMI_DEBUG_GRPC: grpcLog };
  const stack = await CloudStack.on({ ...subject, variables }, {}, settingsOn(subject), stackName);
  const hidden = placeholders({ ...subject.changing, place: stack.directory });
  await mkdir(join(folder, cloud), { recursive: true });
  const write = (name: string, content: unknown) =>
    writeFile(join(folder, cloud, name), `${JSON.stringify(exchange(content, hidden), null, 1)}\n`);
  await stack.up();
  const log = (await readFile(grpcLog, "utf8")).split("\n").filter(Boolean);
  const recording = recordingOf(log.map((line) => JSON.parse(line) as GrpcEntry));
  await write("program.json", { settings: settingsOn(subject), ...recording });
  await stack.up();
  await stack.expectNoChanges();
  const { output } = await stack.succeed("stack", "export", "--show-secrets");
  await write("state.json", JSON.parse(output, withoutOrigins));
  await write("cloud.json", await subject.content());
  await stack.remove();
} finally {
  await subject.close();
  await rm(logs, { recursive: true });
}

/** Drops the source positions of declarations. */
function withoutOrigins(key: string, value: unknown): unknown {
  return ["sourcePosition", "stackTrace"].includes(key) ? undefined : value;
}
