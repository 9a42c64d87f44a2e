// How machines boot from an image. An AMI has the boot mode of the base image that its builder was started from: CreateImage has no
// say in it. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-boot.html
import type { Image, InstanceTypeInfo } from "@aws-sdk/client-ec2";

/** As AWS names them; `uefi-preferred` boots by UEFI where the instance type can, else by BIOS. */
export type BootMode = "uefi" | "legacy-bios" | "uefi-preferred";

/** The boot mode of an image. One that names none boots as Graviton machines, or as those of Intel and AMD, do by default. */
export function bootModeOf({ BootMode, Architecture }: Image): BootMode {
  return BootMode ?? (Architecture === "arm64" ? "uefi" : "legacy-bios");
}

/** Whether machines of an instance type can boot that way. */
export function bootsIn({ SupportedBootModes }: InstanceTypeInfo, mode: BootMode): boolean {
  // Types that tell nothing are not judged.
  if (mode === "uefi-preferred" || !SupportedBootModes?.length) return true;
  return SupportedBootModes.includes(mode);
}
