// Boot modes. An AMI inherits the boot mode of its builder's base image; CreateImage can't change it.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-boot.html
import type { Image, InstanceTypeInfo } from "@aws-sdk/client-ec2";
import type { BootMode } from "../contract.ts";

/** An image's boot mode; if it has none, the default of its architecture (Graviton, or Intel and AMD). */
export function bootModeOf({ BootMode, Architecture }: Image): BootMode {
  return BootMode ?? (Architecture === "arm64" ? "uefi" : "legacy-bios");
}

/** Whether machines of an instance type can boot in a mode. */
export function bootsIn({ SupportedBootModes }: InstanceTypeInfo, mode: BootMode): boolean {
  // Types that report no modes are accepted.
  if (mode === "uefi-preferred" || !SupportedBootModes?.length) return true;
  return SupportedBootModes.includes(mode);
}
