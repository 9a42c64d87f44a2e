// How to recognize each distribution's base image on an OpenStack. Every cloud has its own naming: this file lists the
// words allowed in a name, and provider/base-images.ts parses names.
import { UserError } from "../../common/user-error.ts";
import type { BaseDescription } from "./contract.ts";

/**
 * Rackspace's own names are `Debian 12 (Bookworm) (PVHVM)`, `Ubuntu 14.04 LTS (Trusty Tahr) (PVHVM)`, `CentOS 7
 * (PVHVM)`; other clouds often keep the file names of the distributions' cloud images
 * (`Rocky-9-GenericCloud-Base-9.4-20240509.0.x86_64`). The properties are described in
 * https://docs.openstack.org/glance/latest/admin/useful-image-properties.html.
 */
const bases: Readonly<Record<string, BaseDescription>> = {
  debian12: named("debian", ["12"], ["bookworm"]),
  debian13: named("debian", ["13"], ["trixie"]),
  "ubuntu22.04": named("ubuntu", ["22.04"], ["jammy"], ["jellyfish"]),
  "ubuntu24.04": named("ubuntu", ["24.04"], ["noble"], ["numbat"]),
  "ubuntu14.04": named("ubuntu", ["14.04"], ["trusty"], ["tahr"]),
  rocky9: {
    needed: [["rocky", "rockylinux"], ["9"]],
    words: ["blue", "onyx"],
    properties: { os_distro: ["rocky", "rockylinux"], os_version: ["9"] },
  },
  "centos-stream9": {
    needed: [["centos"], ["stream"], ["9"]],
    words: [],
    properties: { os_distro: ["centos-stream", "centosstream"], os_version: ["9", "9-stream", "stream9"] },
  },
  centos7: {
    needed: [["centos"], ["7"]],
    words: ["core"],
    properties: { os_distro: ["centos"], os_version: ["7", "7.9"] },
  },
};

/** Recognizes an image by version or code name; either is enough. */
function named(name: string, version: string[], codename: string[], words: string[] = []): BaseDescription {
  return {
    needed: [
      [name, ...codename],
      [...version, ...codename],
    ],
    words: [...codename, ...words],
    properties: { os_distro: [name], os_version: [...version, ...codename] },
  };
}

/**
 * How to recognize a distribution's base image.
 * @param distribution Its id: `debian12`.
 * @param cloud The stack's name for the cloud: `openstack` or `rackspace`.
 * @throws UserError for a distribution that OpenStack clouds don't offer.
 */
export function baseOf(distribution: string, cloud = "rackspace"): BaseDescription {
  if (Object.hasOwn(bases, distribution)) return bases[distribution];
  throw new UserError({
    where: `base image of ${distribution}`,
    found: `is not known on ${cloud}`,
    allowed: Object.keys(bases).join(", "),
    cure: `upload an image and name it in ci-images:${cloud}.bases.${distribution}`,
  });
}
