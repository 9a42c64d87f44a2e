// A wrapper of apt-get in /usr/local/bin that retries, as actions/runner-images uses during its builds. Later modules
// run it.
import type { Root } from "../../../provision/module.ts";

export const description = "Wraps apt-get for the rest of the bake";

export function modify(_name: string, root: Root): void {
  root.file(
    "/usr/local/bin/apt-get",
    `#!/bin/bash
for try in 1 2 3; do
  err=$(mktemp)
  /usr/bin/apt-get "$@" 2>"$err" && { rm -f "$err"; exit 0; }
  code=$?
  cat "$err" >&2
  grep -q 'Could not get lock' "$err" || { rm -f "$err"; exit "$code"; }
  rm -f "$err"
done
exit "$code"
`,
    { mode: "0755" },
  );
  root.file("/etc/apt/apt.conf.d/90assumeyes", 'APT::Get::Assume-Yes "true";\n');
  root.file("/etc/apt/apt.conf.d/10dpkg-options", 'Dpkg::Options {\n  "--force-confdef";\n  "--force-confold";\n}\n');
  root.file("/etc/apt/apt.conf.d/10apt-autoremove", 'APT::Get::AutomaticRemove "0";\nAPT::Get::HideAutoRemove "1";\n');
  root.packages(["jq"]);
  root.check(
    "the wrapper works",
    "[ -x /usr/local/bin/apt-get ] && jq --version && /usr/local/bin/apt-get --version >/dev/null",
  );
}
