// Adapts sudo to jobs: it needs no terminal, and keeps the environment, above all PATH.
import type { Root } from "../module.ts";
import { quote } from "../shell/shell.ts";

export const description = "Lets jobs use sudo without a terminal, and keeps their environment";

/** Read after /etc/sudoers, so it overrides the distribution's settings there (secure_path, env_reset, requiretty). */
const sudoersFile = "/etc/sudoers.d/10-ci-worker";

/** Records the sudo settings. */
export function modify(_name: string, root: Root): void {
  root.packages(["sudo"]);
  root.file(sudoersFile, "Defaults !requiretty\nDefaults !env_reset\nDefaults !secure_path\n", { mode: "0440" });
  root.run("visudo --check --quiet");
  const asUser = `runuser -u ${quote(root.loginUser)} --`;
  root.check("the sudo settings are valid", `visudo --check --quiet --file ${sudoersFile} && visudo --check --quiet`, {
    independent: true,
  });
  root.check("sudo needs no terminal", `setsid --wait ${asUser} sudo -n true </dev/null && [ -f ${sudoersFile} ]`, {
    independent: true,
  });
  root.check("sudo keeps the environment", `[ "$(CI_IMAGES=kept ${asUser} sudo -n printenv CI_IMAGES)" = kept ]`, {
    independent: true,
  });
  root.check(
    "sudo keeps PATH",
    `[ "$(${asUser} env PATH="/ci-images:$PATH" sudo -n printenv PATH | cut -d: -f1)" = /ci-images ]`,
    { independent: true },
  );
}
