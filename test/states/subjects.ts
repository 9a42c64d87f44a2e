// The clouds whose states are recorded: opens each one, reads the part of its content that belongs to a state, and
// restores it.
import { mkdir, readdir, readFile, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CreateTagsCommand, type Image as Ami } from "@aws-sdk/client-ec2";
import type { Manifest } from "../../components/local/provider/disk/image-store.ts";
import { projectDirectory } from "../../toolchain/versions.mjs";
import type { Account } from "../engine/cloud-stack.ts";
import { openEc2 } from "../engine/subjects/ec2.ts";
import { openGce } from "../engine/subjects/gce.ts";
import { openLocal } from "../engine/subjects/local.ts";
import { openRackspace } from "../engine/subjects/rackspace.ts";
import { baseImage, regions } from "../test-cloud/ec2-cloud.ts";
import type { Image as GceImage } from "../test-cloud/gce-api.ts";
import { project } from "../test-cloud/gce-cloud.ts";
import type { Image as GlanceImage } from "../test-cloud/openstack-api.ts";
import { folder } from "./recording.ts";

/** A recorded stack's settings. The base is pinned so that a newer one does not matter. */
export function settingsOn({ cloud, settings }: Account): Record<string, unknown> {
  const recipe = join(folder, "recipe.yaml");
  return { cloud, recipe, keep: 1, base: "pinned", verify: true, sshFrom: ["127.0.0.0/8"], ...settings };
}

/** A cloud to record on, or one with restored content. */
export interface RecordedSubject extends Account {
  /** The cloud's part of the stack's image. */
  content(): Promise<object>;
  /** Values that differ from run to run, such as ports and folders, by their placeholder in the recordings. */
  changing: Record<string, string>;
}

/** Opens each cloud. @param content Content to restore, from an earlier `content()`. */
export const subjects: Record<string, (content?: object) => Promise<RecordedSubject>> = {
  async local(content) {
    const subject = await openLocal();
    const images = subject.settings.imageDirectory as string;
    if (content) await putLocalImages(images, content as LocalContent);
    const changing = { images, cache: subject.variables.CI_IMAGES_CACHE };
    return { ...subject, changing, content: () => readLocalImages(images) };
  },

  async ec2(content) {
    const amis = (content as { images: Ami[] } | undefined)?.images ?? [];
    const given = amis.map((ami) => ({
      ...baseImage,
      ami_id: ami.ImageId!,
      name: ami.Name!,
      description: ami.Description!,
      owner_id: ami.OwnerId!,
      creation_date: ami.CreationDate!,
    }));
    const subject = await openEc2(undefined, given);
    for (const { ImageId, Tags } of amis) {
      await subject.ec2.api.client(regions[0]).send(new CreateTagsCommand({ Resources: [ImageId!], Tags }));
    }
    const changing = { api: new URL(subject.ec2.api.url).host };
    return { ...subject, changing, content: async () => ({ images: await subject.ec2.images() }) };
  },

  async gce(content) {
    const subject = await openGce();
    const { images } = subject.api.project(project);
    for (const image of (content as { images: GceImage[] } | undefined)?.images ?? []) images.set(image.name, image);
    const changing = { api: new URL(subject.api.endpoint).host };
    return { ...subject, changing, content: async () => ({ images: [...images.values()] }) };
  },

  async rackspace(content) {
    const subject = await openRackspace();
    const { images } = subject.rackspace.api.region("ORD");
    // Also restore the base image, because its random id is part of the recipe hash.
    if (content) images.clear();
    for (const image of (content as { images: GlanceImage[] } | undefined)?.images ?? []) images.set(image.id, image);
    const changing = { api: new URL(subject.rackspace.api.url).host };
    return { ...subject, changing, content: async () => ({ images: [...images.values()] }) };
  },
};

/** Replaces texts: values of this run by placeholders, or the other way round. */
export function exchange<T>(content: T, pairs: readonly (readonly [from: string, to: string])[]): T {
  let text = JSON.stringify(content);
  for (const [from, to] of pairs) text = text.replaceAll(from, to);
  return JSON.parse(text) as T;
}

/** Pairs of a run's values and their placeholders, longest first, because one value may contain another. */
export function placeholders(changing: Record<string, string>): [value: string, word: string][] {
  const all = Object.entries({ ...changing, project: projectDirectory });
  return all
    .map(([name, value]): [string, string] => [value, `{{${name}}}`])
    .sort(([one], [other]) => other.length - one.length);
}

/** JSON files of images by path below `images`. Disks are restored with the size from the manifest, and empty. */
type LocalContent = Record<string, object>;

async function readLocalImages(images: string): Promise<LocalContent> {
  const found = await readdir(images, { recursive: true });
  const files = found.filter((name) => /^[^.].*\/(manifest|proof)\.json$/.test(name));
  return Object.fromEntries(
    await Promise.all(
      files.map(async (name) => [name, JSON.parse(await readFile(join(images, name), "utf8")) as object]),
    ),
  ) as LocalContent;
}

async function putLocalImages(images: string, content: LocalContent): Promise<void> {
  for (const [name, file] of Object.entries(content)) {
    const path = join(images, name);
    await mkdir(join(path, ".."), { recursive: true });
    await writeFile(path, JSON.stringify(file));
    for (const disk of "files" in file ? (file as Manifest).files : []) {
      const there = join(path, "..", disk.name);
      await writeFile(there, "");
      await truncate(there, disk.bytes);
      // The quick check of a disk compares its mtime. Add half a millisecond against rounding down.
      await utimes(there, new Date(), (disk.modified + 0.5) / 1000);
    }
  }
}
