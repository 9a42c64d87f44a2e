// Powers off a worker that no Jenkins controller uses, or no longer uses: no forgotten workers on the bill.
import type { BuildConfiguration, Root } from "../module.ts";
import { settingsOf } from "./shared/module-settings.ts";
import { quote } from "../shell/shell.ts";
import { builderMark, markBuilder, putUnit, requireSystemd } from "./shared/units.ts";

export const description = "Powers the worker off when no Jenkins agent runs on it";

const timeSpan = { type: "string", pattern: "^[1-9][0-9]*(s|min|h)$" };

export const settings = {
  type: "object",
  additionalProperties: false,
  properties: {
    grace: {
      ...timeSpan,
      default: "59min",
      description: "The time from boot to the first check: a whole number with s, min or h.",
      examples: ["20min"],
    },
    interval: {
      ...timeSpan,
      default: "1h",
      description: "The time between two checks.",
      examples: ["10min"],
    },
    process: {
      type: "string",
      minLength: 1,
      pattern: "^[^\\n]+$",
      // SSH launchers, inbound agents and the Swarm plugin start java with one of these jars on its command line.
      default: "java.*(remoting|agent|slave|swarm-client)",
      description: "A regular expression (as for pgrep -f) for the command line of a process that keeps the worker up.",
      examples: ["gitlab-runner"],
    },
  },
};

/** The settings under `idle_shutdown`. */
interface Settings {
  grace?: string;
  interval?: string;
  process?: string;
}

const script = "/usr/local/sbin/ci-idle-shutdown";

/**
 * Records a timer, its service, and their script.
 * @throws UserError on a distribution without systemd.
 */
export function modify(name: string, root: Root, cfg: BuildConfiguration): void {
  requireSystemd(name, root);
  const {
    grace = settings.properties.grace.default,
    interval = settings.properties.interval.default,
    process = settings.properties.process.default,
  } = settingsOf<Settings>(cfg, "idle_shutdown", {});
  root.packages({ apt: ["procps"], dnf: ["procps-ng"] });
  root.run(markBuilder);
  root.file(script, shutdownScript(process), { mode: "0755" });
  putUnit(root, "ci-idle-shutdown.service", serviceUnit);
  putUnit(root, "ci-idle-shutdown.timer", timerUnit(grace, interval));
  root.enable("ci-idle-shutdown.timer", { start: false });
  root.check("the idle shutdown is enabled at boot", "systemctl --quiet is-enabled ci-idle-shutdown.timer", {
    independent: true,
  });
  root.check(
    `an idle worker is noticed ${grace} after boot, then every ${interval}`,
    `grep -qx OnBootSec=${grace} /etc/systemd/system/ci-idle-shutdown.timer && grep -qx OnUnitActiveSec=${interval} /etc/systemd/system/ci-idle-shutdown.timer`,
    { independent: true },
  );
  root.check("the idle shutdown can tell whether the worker is idle", `[[ $(${script} --look) == @(idle|busy) ]]`, {
    independent: true,
  });
}

// The pattern appears only on pgrep's own command line, which pgrep ignores. So the script can't mistake itself for an
// agent.
function shutdownScript(process: string): string {
  return `#!/bin/bash
# Powers the machine off unless a process of this pattern runs. With --look it only says "idle" or "busy".
set -euo pipefail
pattern=${quote(process)}

status=0
pgrep --full -- "$pattern" >/dev/null || status=$?
case $status in
  0) state=busy ;;
  1) state=idle ;;
  *) echo "cannot look for the pattern $pattern" >&2; exit "$status" ;;
esac
echo "$state"
if [ "$state" = idle ] && [ "\${1:-}" != --look ]; then
  systemctl poweroff
fi
`;
}

const serviceUnit = `[Unit]
Description=Power off when no CI agent runs
ConditionPathExists=!${builderMark}

[Service]
Type=oneshot
ExecStart=${script}
`;

function timerUnit(grace: string, interval: string): string {
  return `[Unit]
Description=Look now and then whether a CI agent runs

[Timer]
OnBootSec=${grace}
OnUnitActiveSec=${interval}

[Install]
WantedBy=timers.target
`;
}
