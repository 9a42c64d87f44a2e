import assert from "node:assert/strict";
import fc from "fast-check";
import { UserError } from "../../../../common/user-error.ts";
import { fileSystemTable, kernelArguments } from "../../../../components/local/provider/disk/boot-settings.ts";
import { mebibyte } from "../../../../common/sizes.ts";
import { diskIdentifiers, layOutDisk, partitionTable } from "../../../../components/local/provider/disk/disk-layout.ts";

const content = { bytes: 500 * mebibyte, entries: 20_000, bootBytes: 30 * mebibyte };

describe("layout of a local disk", () => {
  it("has the same identifiers for the same recipe, and different ones for another", () => {
    const one = diskIdentifiers("recipe");
    assert.deepEqual(diskIdentifiers("recipe"), one);
    const both = [one, diskIdentifiers("another recipe")].flatMap((each) => Object.values<string>({ ...each }));
    assert.equal(new Set(both).size, both.length);
  });

  it("makes identifiers that are valid UUIDs of version 8", () => {
    fc.assert(
      fc.property(fc.string(), (identity) => {
        const { bootSerial, ...uuids } = diskIdentifiers(identity);
        assert.match(bootSerial, /^[0-9a-f]{8}$/);
        for (const uuid of Object.values(uuids))
          assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      }),
    );
  });

  it("keeps partitions aligned, apart, and clear of both partition tables", () => {
    const gibibytes = fc.integer({ min: 1024, max: 65536 }).map((size) => size * mebibyte + 4711);
    const megabytes = fc.integer({ min: 10, max: 700 }).map((size) => size * mebibyte);
    fc.assert(
      fc.property(gibibytes, megabytes, fc.integer({ min: 0, max: 100_000_000 }), (size, bytes, bootBytes) => {
        const { boot, root, size: total } = layOutDiskOrSkip(size, { bytes, entries: 1000, bootBytes });
        assert.ok(boot.offset >= mebibyte && boot.size >= 3 * bootBytes);
        assert.equal(root.offset, boot.offset + boot.size);
        assert.equal(root.offset + root.size, total - mebibyte);
        for (const number of [boot.offset, boot.size, root.offset, root.size, total])
          assert.equal(number % mebibyte, 0);
      }),
    );
  });

  it("says how much is needed if the content does not fit, and that size fits", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20_000 }).map((size) => size * mebibyte),
        fc.integer({ min: 1, max: 2_000_000 }),
        (bytes, entries) => {
          const error = refusal(() => layOutDisk(64 * mebibyte, { ...content, bytes, entries }));
          const needed = Number(/size: (\d+)M/.exec(error.message)?.[1]);
          layOutDisk(needed * mebibyte, { ...content, bytes, entries });
        },
      ),
    );
  });

  it("refuses content that does not fit, and names the key, what was found and the cure", () => {
    const error = refusal(() => layOutDisk(512 * mebibyte, content));
    assert.match(error.message, /^recipe: size: 512 MiB is too small: .* holds 500 MiB in 20000 files/);
    assert.match(error.message, /cure: set `size: \d+M`/);
  });

  it("puts the root last and marks the boot partition for BIOS", () => {
    const lines = partitionTable(layOutDisk(4096 * mebibyte, content), diskIdentifiers("recipe"))
      .trim()
      .split("\n");
    assert.match(lines.at(-2)!, /name="esp", attrs="LegacyBIOSBootable"$/);
    assert.match(lines.at(-1)!, /name="root"$/);
  });

  it("boots from the file system that it makes, with the serial console as /dev/console", () => {
    const identifiers = diskIdentifiers("recipe");
    const words = kernelArguments(identifiers).split(" ");
    assert.ok(words.includes(`root=UUID=${identifiers.rootFileSystem}`));
    assert.equal(words.filter((word) => word.startsWith("console=")).at(-1), "console=ttyS0,115200");
    assert.match(fileSystemTable(identifiers), new RegExp(`^UUID=${identifiers.rootFileSystem} / ext4 `, "m"));
    assert.match(
      fileSystemTable(identifiers),
      new RegExp(`^PARTUUID=${identifiers.bootPartition} /boot/efi .*nofail`, "m"),
    );
  });
});

function refusal(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return error;
  }
  return assert.fail("it was not refused");
}

/** Another test covers sizes that are too small for the content. */
function layOutDiskOrSkip(...words: Parameters<typeof layOutDisk>): ReturnType<typeof layOutDisk> {
  try {
    return layOutDisk(...words);
  } catch (error) {
    if (error instanceof UserError) fc.pre(false);
    throw error;
  }
}
