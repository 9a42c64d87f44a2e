// Reads the parts of sealing that are written in shell, from files that shellcheck checks.
import { feed } from "../shell/shell.ts";
import { scriptFile } from "../shell/script-file.ts";
import { ownFolder } from "./kept.ts";

/** A file of provision/seal/guest. @param values See {@link scriptFile}. */
export function guestFile(name: string, values: Readonly<Record<string, string>> = {}): string {
  return scriptFile(new URL(`./guest/${name}`, import.meta.url), values);
}

/** The script that records a builder's files before the first module: the recipe did not make these. */
export const recordScript = `${guestFile("files.sh")}${guestFile("base-flags.sh")}restore_base_flags\ntake_record\n`;

/** Bash functions that install the services which make keys at first boot. */
export const keyWriters = [
  writer("write_make_keys", "make-keys", "ci-images-keys.service"),
  writer("write_make_host_keys", "make-host-keys", "ci-images-host-keys.service"),
].join("\n");

function writer(name: string, program: string, unit: string): string {
  const path = `${ownFolder}/${program}`;
  return `${name}() {
  cat >${path} ${feed(guestFile(`${program}.sh`))}
  chmod 0755 ${path}
  cat >/etc/systemd/system/${unit} ${feed(guestFile(unit))}
}
`;
}
