// The facts that decide whether an image boots in a cloud: drivers in its kernel and ramdisk, and cloud-init's data
// sources. They are recorded when the image is made, and compared with a cloud's needs before an upload.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError, type Complaint } from "../../../../common/user-error.ts";
import { besideView, type RootView } from "./root-view.ts";

/** Where a driver is. The disk's driver is needed before the root file system is mounted. */
export type DriverPlace = "builtin" | "ramdisk" | "module" | "missing";

export interface GuestFacts {
  /** The kernel's version. */
  kernel: string;
  drivers: Record<string, DriverPlace>;
  /** cloud-init's `datasource_list`; `all` if it is not set, `none` without cloud-init. */
  dataSources: string[];
}

/** An image's folder, and the facts in its manifest. */
interface ImageWithFacts {
  path: string;
  manifest: { guest?: GuestFacts };
}

/** What a cloud needs from an image. */
export interface Needs {
  /** For people: `EC2`. */
  cloud: string;
  /** The driver of the root disk, if it is known. */
  disk?: string;
  /** The driver of the network card. */
  network: string;
  /** The data sources that work there; one is enough. */
  dataSources: readonly string[];
}

/** Reads the facts from a root. */
export async function guestFacts(view: RootView, signal?: AbortSignal): Promise<GuestFacts> {
  const script = await readFile(join(import.meta.dirname, "guest-facts.sh"), "utf8");
  // With a /dev: without one, a redirection to /dev/null would create a file in the root.
  const enter = 'mount --bind /dev "$1/dev"; exec chroot "$1" sh -s';
  const apart = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", enter, "sh", view.path];
  const environment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
  const said = await besideView(view, apart, { input: script, environment, signal });
  const lines = said.split("\n").map((line) => line.split(" "));
  const [, kernel = ""] = lines.find(([what]) => what === "kernel") ?? [];
  const [, ...dataSources] = lines.find(([what]) => what === "datasources") ?? [];
  const drivers = lines.filter(([what]) => what === "driver").map(([, name, place]) => [name, place]);
  return { kernel, drivers: Object.fromEntries(drivers) as GuestFacts["drivers"], dataSources };
}

/**
 * Refuses an image that would not boot in a cloud.
 * @throws UserError naming everything that is missing.
 */
export function assertRunsOn({ path, manifest: { guest } }: ImageWithFacts, needs: Needs): void {
  // Older images have no facts: don't judge them.
  if (!guest) return;
  const { cloud, disk, network, dataSources } = needs;
  const complaints: Complaint[] = [];
  const complain = (found: string, allowed: string, cure: string) =>
    complaints.push({ where: `${path}, for ${cloud}`, found, allowed, cure });
  const kernel = `kernel ${guest.kernel}`;
  const placeOf = (driver: string): DriverPlace => guest.drivers[driver] ?? "missing";
  const another = "install a kernel that has it in the recipe (Debian: linux-image-cloud-amd64)";
  if (disk !== undefined && placeOf(disk) === "missing") {
    complain(`${kernel} has no driver ${disk}`, `${disk}, for the disk`, another);
  } else if (disk !== undefined && placeOf(disk) === "module") {
    const cure = "add it to the ramdisk: MODULES=most in /etc/initramfs-tools, hostonly=no for dracut";
    complain(`the ramdisk of ${kernel} has no driver ${disk}`, `${disk}, for the disk`, cure);
  }
  if (placeOf(network) === "missing") {
    complain(`${kernel} has no driver ${network}`, `${network}, for the network card`, another);
  }
  if (!guest.dataSources.some((source) => source === "all" || dataSources.includes(source))) {
    const found =
      guest.dataSources[0] === "none"
        ? "has no cloud-init"
        : `cloud-init reads only from ${guest.dataSources.join(", ")}`;
    const cure = "install cloud-init, and name it in datasource_list of /etc/cloud/cloud.cfg.d in the recipe";
    complain(found, `the data source ${dataSources.join(" or ")}`, cure);
  }
  if (complaints.length > 0) throw new UserError(...complaints);
}
