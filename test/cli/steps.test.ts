// The display of a deployment: steps, their lines and how many are left, but never the engine's own log.
import assert from "node:assert/strict";
import type { automation } from "@pulumi/pulumi";
import { Output } from "../../cli/output.ts";
import { PlainReporter } from "../../cli/progress/plain.ts";
import { Steps } from "../../cli/progress/steps.ts";

/** Returns steps that report plain lines, and the collected lines. */
function shown(verbose = false, interrupted?: AbortSignal) {
  const lines: string[] = [];
  const sink = { write: (text: string) => lines.push(text.trimEnd()) } as unknown as NodeJS.WritableStream;
  const reporter = new PlainReporter(new Output(false, verbose, sink, sink), () => steps);
  const steps: Steps = new Steps(reporter, interrupted);
  return { steps, lines };
}

const urn = "urn:pulumi:s::p::ci-images:index:WorkerImage$command:remote:Command::debian12-1a2b3c4d-nginx";
const metadata = { urn, type: "command:remote:Command", op: "create" };
const event = (part: object) => part as automation.EngineEvent;
const diagnostic = (severity: string, message: string, from = urn) =>
  event({ diagnosticEvent: { urn: from, severity, message, color: "never" } });

describe("the progress of a deployment", () => {
  it("never shows the engine's own log, which has secrets in clear text", () => {
    const { steps, lines } = shown(true);
    steps.onEvent(event({ resourcePreEvent: { metadata } }));
    steps.onEvent(diagnostic("debug", "RegisterResource RPC finished: privateKey: s3cr3t"));
    steps.onEvent(diagnostic("debug", "s3cr3t", ""));
    steps.onPreview(diagnostic("debug", "s3cr3t"));
    assert.doesNotMatch(lines.join("\n"), /s3cr3t/);
    assert.equal(steps.hasErrors, false);
  });

  it("names each step, counts those left, always shows checks, and shows other lines only if the step fails", () => {
    const { steps, lines } = shown();
    const plan = new Steps();
    const later = { ...metadata, urn: urn.replace("nginx", "git") };
    for (const each of [metadata, later]) plan.onPreview(event({ resourcePreEvent: { metadata: each } }));
    steps.plan(plan);
    steps.onEvent(event({ resourcePreEvent: { metadata } }));
    steps.onEvent(diagnostic("info", "<{%reset%}>setting up<{%reset%}>\n"));
    steps.onEvent(diagnostic("info", "ok - nginx: it runs\n"));
    assert.deepEqual(lines, ["debian12: nginx ...", "debian12: nginx | ok - nginx: it runs"]);
    steps.onEvent(event({ resOpFailedEvent: { metadata } }));
    assert.equal(lines[2], "debian12: nginx | setting up");
    assert.match(lines[3], /^debian12: nginx FAILED \(0\.0 s, 1 left\)$/);
    steps.onEvent(diagnostic("error", "exit status 1"));
    assert.equal(lines[4], "error: exit status 1");
    assert.equal(steps.hasErrors, true);
  });

  it("shows the reason for a bake before it starts, and does not repeat it", () => {
    const { steps, lines } = shown();
    const worker = "urn:pulumi:s::p::ci-images:index:WorkerImage::debian12";
    const plan = new Steps();
    plan.onPreview(diagnostic("info", "debian12: will be baked: recipe a => b\n", worker));
    steps.plan(plan);
    assert.deepEqual(lines, ["debian12: will be baked: recipe a => b"]);
    steps.onEvent(diagnostic("info", "debian12: will be baked: recipe a => b\n", worker));
    assert.equal(lines.length, 1);
    steps.onEvent(diagnostic("info", "debian12: the mirror did not answer\n", worker));
    assert.equal(lines.length, 2);
  });

  it("does not warn about this project's own plugin replacements, but does about other plugins on PATH", () => {
    const { steps, lines } = shown();
    const found = (path: string) => diagnostic("warning", `using pulumi-resource-command from $PATH at ${path}`, "");
    steps.onEvent(found("/project/toolchain/offline/command-plugin/pulumi-resource-command"));
    assert.deepEqual(lines, []);
    steps.onEvent(found("/usr/local/bin/pulumi-resource-command"));
    assert.equal(lines.length, 1);
  });

  it("tells what the program refuses from all other errors", () => {
    const root = "urn:pulumi:s::p::pulumi:pulumi:Stack::p-s";
    const provider = "urn:pulumi:s::p::pulumi:providers:aws::default";
    const isRefused = (...from: [message: string, urn: string][]) => {
      const { steps } = shown();
      for (const [message, urn] of from) steps.onEvent(diagnostic("error", message, urn));
      return steps.isRefused;
    };
    assert.equal(isRefused(["recipe.yaml: size: 9X; allowed: ...", ""], ["preview failed", ""]), true);
    assert.equal(isRefused(["could not load plugin for aws provider", provider]), false);
    assert.equal(isRefused(["Running program 'index.ts' failed with an unhandled exception:\nTypeError", ""]), false);
    assert.equal(isRefused(["an unhandled error occurred: Program ended by signal SIGKILL", root]), false);
  });

  it("has one line for a short step", () => {
    const { steps, lines } = shown();
    steps.onEvent(event({ resourcePreEvent: { metadata } }));
    steps.onEvent(event({ resOutputsEvent: { metadata } }));
    assert.deepEqual(lines, ["debian12: nginx done (0.0 s)"]);
  });

  it("calls a step that fails after Ctrl-C stopped, not failed", () => {
    const user = new AbortController();
    const { steps, lines } = shown(false, user.signal);
    steps.onEvent(event({ resourcePreEvent: { metadata } }));
    user.abort();
    steps.onEvent(diagnostic("error", "the deployment was cancelled; the command's session was closed"));
    steps.onEvent(event({ resOpFailedEvent: { metadata } }));
    assert.deepEqual(lines, ["debian12: nginx stopped (0.0 s)"]);
  });
});
