// The source of each distribution's base image on EC2, and its login account. Ids are looked up, not listed: they
// differ by region and change with every release.
import type { Distribution } from "../../provision/module.ts";
import type { BaseSource } from "./contract.ts";
import type { ChosenBase, Ec2Settings } from "./settings.ts";

type Architecture = Ec2Settings["architecture"];

interface BaseEntry {
  /** The login account, if this image's differs from the distribution's usual one. */
  loginUser?: string;
  source(architecture: Architecture): BaseSource;
}

const machine = (architecture: Architecture) => (architecture === "amd64" ? "x86_64" : "aarch64");

/** https://wiki.debian.org/Cloud/AmazonEC2Image */
const debian = (version: string): BaseEntry => ({
  loginUser: "admin",
  source: (architecture) => ({ owner: "136693071363", name: `debian-${version}-${architecture}-*` }),
});

/** https://documentation.ubuntu.com/aws/en/latest/aws-how-to/instances/find-ubuntu-images/ */
const ubuntu = (version: string, volume: string): BaseEntry => ({
  source: (architecture) => ({
    parameter: `/aws/service/canonical/ubuntu/server/${version}/stable/current/${architecture}/hvm/ebs-${volume}/ami-id`,
  }),
});

/** https://www.centos.org/download/aws-images/ */
const centos = "125523088429";

const entries: Readonly<Record<string, BaseEntry>> = {
  debian12: debian("12"),
  debian13: debian("13"),
  "ubuntu22.04": ubuntu("22.04", "gp2"),
  "ubuntu24.04": ubuntu("24.04", "gp3"),
  // Canonical no longer has a parameter for it.
  "ubuntu14.04": {
    source: (architecture) => ({
      owner: "099720109477",
      name: `ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-${architecture}-server-*`,
    }),
  },
  // https://rockylinux.org/download: the account that publishes Rocky's images.
  rocky9: {
    source: (architecture) => ({ owner: "792107900819", name: `Rocky-9-EC2-Base-9.*.${machine(architecture)}` }),
  },
  "centos-stream9": {
    loginUser: "ec2-user",
    source: (architecture) => ({ owner: centos, name: `CentOS Stream 9 ${machine(architecture)} *` }),
  },
  centos7: { source: (architecture) => ({ owner: centos, name: `CentOS Linux 7 ${machine(architecture)} - *` }) },
  // https://docs.aws.amazon.com/linux/al2023/ug/ec2.html
  amazonlinux2023: {
    source: (architecture) => ({
      parameter: `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${architecture === "amd64" ? "x86_64" : "arm64"}`,
    }),
  },
};

/** Distributions that have an entry here. */
export const ec2Distributions = Object.keys(entries);

/** The login account of the distribution's images on EC2, if it differs from the usual one. */
export function loginUserOf({ id }: Distribution): string | undefined {
  return entries[id]?.loginUser;
}

/**
 * The source of a base image.
 * @param chosen The user's own choice, which takes precedence.
 * @returns undefined for an unknown distribution.
 */
export function baseSource(
  { id }: Distribution,
  architecture: Architecture,
  chosen: ChosenBase | undefined,
): BaseSource | undefined {
  if (chosen?.id !== undefined) return { id: chosen.id };
  if (chosen?.parameter !== undefined) return { parameter: chosen.parameter };
  if (chosen?.owner !== undefined && chosen.name !== undefined) return { owner: chosen.owner, name: chosen.name };
  return entries[id]?.source(architecture);
}
