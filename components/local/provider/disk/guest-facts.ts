// What an image brings along for the clouds: drivers in its kernel and ramdisk, cloud-init's data sources. Noted when the image is made,
// and compared with what a cloud asks for before anything is uploaded.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError, type Complaint } from "../../../../common/user-error.ts";
import { besideView, type RootView } from "./root-view.ts";

/** Where a driver is. A disk's has to be there before the root file system is. */
export type DriverPlace = "builtin" | "ramdisk" | "module" | "missing";

export interface GuestFacts {
  /** Its version. */
  kernel: string;
  drivers: Record<string, DriverPlace>;
  /** cloud-init's `datasource_list`; `all` where the root does not say, `none` without cloud-init. */
  dataSources: string[];
}

/** An image's folder, and what its manifest notes. */
interface ImageWithFacts {
  path: string;
  manifest: { guest?: GuestFacts };
}

/** What a cloud asks of an image. */
export interface Needs {
  /** For people: `EC2`. */
  cloud: string;
  /** The driver of the root disk, where it is known. */
  disk?: string;
  /** The driver of the network card. */
  network: string;
  /** cloud-init reads its instance's data from one of them. */
  dataSources: readonly string[];
}

/** Reads them from a root. */
export async function guestFacts(view: RootView, signal?: AbortSignal): Promise<GuestFacts> {
  const script = await readFile(join(import.meta.dirname, "guest-facts.sh"), "utf8");
  // Alone with a /dev: without one, what is thrown away (>/dev/null) would become a file in the root.
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
 * Refuses to import an image that would not come up in a cloud.
 * @throws UserError that names everything that is missing.
 */
export function assertRunsOn({ path, manifest: { guest } }: ImageWithFacts, needs: Needs): void {
  // Images that were made before these facts were noted are not judged.
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
